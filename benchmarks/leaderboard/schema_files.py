"""The data format as JSON Schema, for programs that are not in Python.

`python -m benchmarks.leaderboard.schema_files` writes `schemas/` again after a change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.leaderboard.schema import (
    SCHEMA_VERSION,
    Costs,
    PackedEpisode,
    Panel,
    Result,
    Sitting,
    Study,
    Trajectory,
)
from hiper_agents.provenance import write_json

__all__ = ["MODELS", "SCHEMAS", "json_schema"]

SCHEMAS = Path(__file__).parent / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "panel": Panel,
    "study": Study,
    "trajectory": Trajectory,
    "packed_episode": PackedEpisode,
    "sitting": Sitting,
    "result": Result,
    "costs": Costs,
}
"""Every kind of file, or of line, and its model."""


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file."""
    title = f"hiper-gym {name.replace('_', ' ')}, version {SCHEMA_VERSION}"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **MODELS[name].model_json_schema(mode="serialization"),
        "title": title,
    }


def main() -> None:
    """Writes all of them."""
    for name in MODELS:
        write_json(SCHEMAS / f"{name}-v{SCHEMA_VERSION}.json", json_schema(name))


if __name__ == "__main__":
    main()
