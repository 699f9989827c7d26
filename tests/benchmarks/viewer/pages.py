"""Takes a page apart, as its script does."""

from __future__ import annotations

import base64
import gzip
import json
from html.parser import HTMLParser
from typing import Any


class Tags(HTMLParser):
    """All tags of a page with their attributes and the text that follows them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


def tags_of(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    return parser


def data_of(page: str) -> list[Any]:
    """The index of a page, then its episodes."""
    parser = tags_of(page)
    packed = [
        text
        for (tag, attributes), text in zip(parser.found, parser.texts, strict=True)
        if tag == "script" and attributes.get("type") == "text/plain"
    ]
    return [json.loads(gzip.decompress(base64.b64decode(text, validate=True))) for text in packed]
