"""Everything about the site that can be set. Reads nothing from the environment or from files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hiper_base.errors import HiperError

__all__ = ["MAX_ACTION", "ConfigError", "SiteConfig"]

MAX_ACTION = 2_000
"""Longest accepted action or query, in characters."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ConfigError(HiperError, ValueError):
    """A setting has a value that makes no sense."""


@dataclass(frozen=True)
class SiteConfig:
    """Settings of the site.

    Attributes:
        host: Address to listen on. The default answers this machine only.
        port: Port to listen on; 0 takes a free one.
        data_root: Folder of the task data; `$HIPER_DATA` or its default when None.
        generated: Sell so many generated products, whatever data is installed.
        database: File in which sessions are kept; made where it is missing.
        threads: Requests that are worked on at the same time.
        max_body: Longest accepted request body, in bytes.
        session_lifetime: Seconds after its last action at which a session ends.
        noun_tagger: Name of the tagger that scores with; the best installed one when None.
        operator_password: Password of the user `operator`; None closes the operator's pages.
        log_file: File for one JSON object per request and per action; None keeps no log.
        pictures: Show the published pictures of products, which browsers fetch from other servers;
            without, and where they cannot be had, drawings stand in for them.
        trusted_hosts: Host names (without port) under which the site may be asked. Empty: this
            machine's names if `host` is one of them, else any. Stops foreign pages that point a
            name of theirs at this machine.
    """

    host: str = "127.0.0.1"
    port: int = 3000
    data_root: Path | None = None
    generated: int | None = None
    database: Path = Path("runs/webshop/shop.sqlite3")
    threads: int = 8
    max_body: int = 64 * 1024
    session_lifetime: float = 24 * 3600.0
    noun_tagger: str | None = None
    operator_password: str | None = field(default=None, repr=False)
    log_file: Path | None = None
    pictures: bool = True
    trusted_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ConfigError: If one makes no sense.
        """
        if not self.host:
            raise ConfigError("host is empty; 127.0.0.1 listens on this machine only")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port {self.port} is not between 0 (any free one) and 65535")
        for name in ("threads", "max_body", "session_lifetime"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it has to be positive")
        if self.generated is not None and self.generated <= 0:
            raise ConfigError(f"generated is {self.generated}; it has to be positive")
        if self.operator_password == "":
            raise ConfigError("the operator's password is empty")

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Host names that are answered; empty for any."""
        if self.trusted_hosts:
            return self.trusted_hosts
        return _LOOPBACK if self.host in _LOOPBACK else ()
