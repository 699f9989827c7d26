"""The model that a benchmark of language models times, and what it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from hiper_agents.llm.models import LoadedModel, load_model
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.prompts import PromptConfig

__all__ = ["ModelArgs"]


@dataclass(frozen=True)
class ModelArgs:
    """Settings that all of them have."""

    model: str = "smollm2-135m"
    """Folder or name of the model."""
    device: str = "cpu"
    """Where it computes."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What it computes in."""
    split: str | None = None
    """Tasks; the split of the evaluation, or generated tasks where there is no data."""
    seed: int = 0
    """Of everything random."""
    prompt: PromptConfig = field(default_factory=lambda: PromptConfig(template="compact"))
    """What prompts look like."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """What the model carries besides itself."""
    out: Path | None = None
    """File of the record; one in benchmarks/results by default."""

    def load(self) -> tuple[LanguagePolicy, dict[str, Any]]:
        """The policy, and what a record says of it."""
        loaded: LoadedModel = load_model(self.model, device=self.device, dtype=self.dtype)
        policy = LanguagePolicy(loaded.model, loaded.tokenizer, self.policy)
        return policy, {
            "model": loaded.name,
            "quantised_from": loaded.quantised_from,
            "threads": torch.get_num_threads(),
        }
