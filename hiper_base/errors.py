"""The exceptions of the package, all derived from :class:`HiperError`.

Each says what was wrong and what to do about it. Malformed *actions* are not errors: an agent may
write anything, and the environments report it in ``info["format_error"]`` instead of raising.
"""

from __future__ import annotations

__all__ = [
    "BusyError",
    "DataError",
    "DataNotFoundError",
    "GameFormatError",
    "HiperError",
    "MissingDependencyError",
    "ResetOptionError",
    "UnknownSplitError",
    "UnknownTaskError",
]


class HiperError(Exception):
    """Base class of every exception that this package raises on purpose."""


class BusyError(HiperError):
    """Another process works on the same files."""


class DataError(HiperError):
    """Task data is missing, damaged, or of a version that cannot be used."""


class DataNotFoundError(DataError, FileNotFoundError):
    """No task data lies where it was looked for."""


class GameFormatError(DataError):
    """A game file does not have the expected structure."""


class UnknownTaskError(DataError, LookupError):
    """A task id does not belong to the tasks that were loaded."""


class UnknownSplitError(DataError, ValueError):
    """A split name that the benchmark does not have."""


class ResetOptionError(HiperError, ValueError):
    """``reset(options=...)`` got an option that the environment does not have."""


class MissingDependencyError(HiperError, ImportError):
    """An optional dependency is needed; the message names the extra that installs it."""
