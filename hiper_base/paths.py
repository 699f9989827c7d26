"""Where task data and caches lie: three environment variables and one default.

| variable | what it names |
|---|---|
| `HIPER_DATA` | the data root; its folders `alfworld` and `webshop` hold the tasks |
| `ALFWORLD_DATA` | upstream's variable: a folder with upstream's `json_2.1.1`, read as well |
| `HIPER_CACHE` | the one folder for everything that is derived from data |

They are read at every call, so that a program may set them after the import. Nothing here knows
what the files contain, and nothing is created.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["alfworld_folders", "cache_folders", "data_root", "is_writable", "webshop_folder"]

_APP = "hiper-gym"
_ANY_WRITE_BIT = 0o222


def data_root(root: Path | str | None = None) -> Path:
    """The folder that holds all task data.

    Args:
        root: An explicit choice, which wins over the environment.

    Returns:
        `root`, else `$HIPER_DATA`, else the user's cache folder for this package. It may not exist.
    """
    chosen = root or os.environ.get("HIPER_DATA")
    return Path(chosen).expanduser().absolute() if chosen else _user_cache()


def alfworld_folders(root: Path | str | None = None) -> tuple[Path, ...]:
    """The folders in which ALFWorld games are looked for, without repetition.

    Args:
        root: An explicit data root; `$ALFWORLD_DATA` is then left out.

    Returns:
        `<data root>/alfworld`, then `$ALFWORLD_DATA` where it is set. They may not exist.
    """
    folders = [data_root(root) / "alfworld"]
    upstream = os.environ.get("ALFWORLD_DATA")
    if upstream and root is None:
        folders.append(Path(upstream).expanduser().absolute())
    # The same folder under two names would make every game appear twice.
    return tuple({folder.resolve(): folder for folder in reversed(folders)}.values())[::-1]


def webshop_folder(root: Path | str | None = None) -> Path:
    """The folder in which WebShop's catalogue and goals are looked for."""
    return data_root(root) / "webshop"


def cache_folders(beside: Path) -> tuple[Path, ...]:
    """The folders that may hold what was derived from the data in `beside`, best first.

    Args:
        beside: The folder of the data.

    Returns:
        Only `$HIPER_CACHE` where it is set; else a hidden folder beside the data, then the user's
        cache folder. They may not exist, and the first may not be writable.
    """
    redirected = os.environ.get("HIPER_CACHE")
    if redirected:
        return (Path(redirected).expanduser().absolute(),)
    return (beside / ".hiper-cache", _user_cache() / "derived")


def is_writable(folder: Path) -> bool:
    """Whether files may be created in `folder`, or `folder` itself where it does not exist yet.

    A folder whose mode has no write bit at all counts as read-only for everyone: the superuser
    *could* write there, but whoever took the bits away did not want it.
    """
    while not folder.exists():
        if folder == folder.parent:
            return False
        folder = folder.parent
    mode = folder.stat().st_mode
    return bool(mode & _ANY_WRITE_BIT) and os.access(folder, os.W_OK | os.X_OK)


def _user_cache() -> Path:
    return Path(platformdirs.user_cache_dir(_APP, appauthor=False))
