"""`hiper serve`: the WebShop as a web site, for people and programs.

The server itself is `webshop_server.site.server.serve`.
"""

from __future__ import annotations

import os
import secrets
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from hiper_base.errors import MissingDependencyError

if TYPE_CHECKING:
    from flask import Flask

PASSWORD_VARIABLE = "HIPER_OPERATOR_PASSWORD"
"""Environment variable with the operator's password; an argument would show in process lists."""


@dataclass(frozen=True)
class ServeArgs:
    """Serves the shop until Ctrl-C.

    The operator's page asks for a password: that of HIPER_OPERATOR_PASSWORD, else a new one that is
    shown at the start.
    """

    host: str = "127.0.0.1"
    """Address to listen on; the default answers this machine only, 0.0.0.0 everybody."""
    port: int = 3000
    """Port to listen on; 0 takes a free one."""
    db: Path = Path("runs/webshop/shop.sqlite3")
    """File in which sessions are kept; made where it is missing."""
    generated: int | None = None
    """Sell so many generated products, whatever data is installed."""
    threads: int = 8
    """Requests that are worked on at the same time."""
    session_hours: float = 24.0
    """A session ends so long after its last action."""
    noun_tagger: str | None = None
    """What finds the nouns of titles for the score: spacy or textblob; the best installed one
    when left out."""
    allow_host: tuple[str, ...] = ()
    """Host names under which the site may be asked; any when it listens to other machines."""
    log: Path | None = None
    """JSON lines about requests and actions; beside the database when left out."""
    ready_file: Path | None = None
    """Written as JSON (url, port, pid, database) when the server answers; deleted in the end."""
    pictures: bool = True
    """Show published pictures, which browsers fetch from other servers; else drawings only."""
    open: bool = False
    """Open the site in the browser."""


def run(args: ServeArgs) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        MissingDependencyError: Flask or waitress is not installed.
        HiperError: If the port is taken, or the data, the database or the log cannot be used.
    """
    try:
        from webshop_server.site.config import SiteConfig
        from webshop_server.site.server import serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("flask", "waitress", "werkzeug", "jinja2"):
            raise
        raise MissingDependencyError(
            "the web site needs flask and waitress; install them with: "
            "pip install 'hiper-gym[webshop]'"
        ) from error

    given = os.environ.get(PASSWORD_VARIABLE)
    password = given or secrets.token_urlsafe(12)
    config = SiteConfig(
        host=args.host,
        port=args.port,
        generated=args.generated,
        database=args.db,
        threads=args.threads,
        session_lifetime=3600 * args.session_hours,
        noun_tagger=args.noun_tagger,
        operator_password=password,
        log_file=args.log or args.db.with_suffix(".log.jsonl"),
        pictures=args.pictures,
        trusted_hosts=args.allow_host,
    )
    console = Console(highlight=False)

    def on_ready(url: str, app: Flask) -> None:
        shop = app.extensions["hiper_webshop"]
        shown = f"that of {PASSWORD_VARIABLE}" if given else password
        lines = [
            f"{url}  (Ctrl-C ends it)",
            f"products  {len(shop.store.catalog):,} ({shop.store.catalog.name})",
            f"database  {shop.database.path}",
            f"log       {config.log_file}",
            f"operator  {url}operator, user operator, password {shown}",
        ]
        if shop.store.is_generated and args.generated is None:
            lines.append("no WebShop data is installed, so the products are generated")
        console.print(Text("\n".join(lines)), soft_wrap=True)
        if args.open:
            webbrowser.open(url)

    serve(config, ready_file=args.ready_file, on_ready=on_ready)
