"""Figures of published papers, to stand beside what was played here.

They are quoted, not measured: nobody has replayed an episode, and how many tasks were drawn, how
often and with which environment is as the papers say. So they are shown and never ranked. The file
holds only figures whose paper and place in it are known.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from hiper_base.errors import HiperError

__all__ = ["Paper", "Published", "PublishedError", "PublishedRow", "load_published"]

ArxivId = Annotated[str, Field(pattern=r"^\d{4}\.\d{5}$")]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]


class PublishedError(HiperError):
    """The file of published figures is missing or damaged."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Paper(_Model):
    """Where figures were published.

    Attributes:
        arxiv: Its number there.
        title: Its title.
        authors: Family names.
        year: Of the first version.
    """

    arxiv: ArxivId
    title: str
    authors: str
    year: int


class PublishedRow(_Model):
    """One figure of a paper.

    Attributes:
        panel: Name of the panel that comes closest to what it was measured on.
        method: How the model was trained, in the paper's words.
        model: The model.
        success: Success rate in percent.
        deviation: The spread over seeds that the paper gives beside it, in percentage points.
        seeds: Training runs that it is the mean of; None where it is not said.
        arxiv: Number of the paper.
        where: Where in it.
    """

    panel: str
    method: str
    model: str
    success: Percent
    deviation: Percent | None = None
    seeds: Annotated[int, Field(ge=1)] | None = None
    arxiv: ArxivId
    where: Annotated[str, Field(min_length=1)]


class Published(_Model):
    """The file.

    Attributes:
        schema_version: 1.
        settings: What the figures beside a panel were measured on, by its name.
        papers: The papers.
        rows: Their figures.
    """

    schema_version: Literal[1]
    settings: dict[str, str]
    papers: tuple[Paper, ...]
    rows: tuple[PublishedRow, ...]

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        known = {paper.arxiv for paper in self.papers}
        for row in self.rows:
            if row.arxiv not in known:
                raise ValueError(f"the figure of {row.method} names an unknown paper {row.arxiv}")
            if row.panel not in self.settings:
                raise ValueError(f"nothing says what {row.method} was measured on ({row.panel})")
        places = [(row.panel, row.method, row.model, row.arxiv) for row in self.rows]
        if len(set(places)) < len(places):
            raise ValueError("a figure is there twice")
        return self

    def rows_of(self, panel: str) -> tuple[PublishedRow, ...]:
        """The figures beside a panel, highest first."""
        rows = [row for row in self.rows if row.panel == panel]
        return tuple(sorted(rows, key=lambda row: (-row.success, row.method, row.model)))

    def paper(self, arxiv: str) -> Paper:
        """A paper by its number.

        Raises:
            KeyError: It is none of these.
        """
        return {paper.arxiv: paper for paper in self.papers}[arxiv]


def load_published(path: Path | None = None) -> Published:
    """Reads the figures that come with the package, or another file of them.

    Raises:
        PublishedError: The file is missing or damaged.

    Example:
        >>> [row.success for row in load_published().rows_of("webshop-1k-test")[:2]]
        [84.2, 83.3]
    """
    source = path or files("benchmarks.leaderboard").joinpath("published.json")
    try:
        return Published.model_validate_json(source.read_bytes())
    except OSError as error:
        raise PublishedError(f"cannot read {source}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PublishedError(f"{source}: {place or 'the file'}: {first['msg']}") from error
