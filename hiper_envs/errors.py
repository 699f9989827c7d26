"""The exceptions that environments raise; see :mod:`hiper_base.errors`, where they are defined."""

from hiper_base.errors import (
    DataError,
    DataNotFoundError,
    GameFormatError,
    HiperError,
    MissingDependencyError,
    ResetOptionError,
    UnknownSplitError,
    UnknownTaskError,
)

__all__ = [
    "DataError",
    "DataNotFoundError",
    "GameFormatError",
    "HiperError",
    "MissingDependencyError",
    "ResetOptionError",
    "UnknownSplitError",
    "UnknownTaskError",
]
