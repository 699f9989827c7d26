from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from benchmarks.llm_rollout import RolloutArgs, generate, main
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.tiny import make_tiny


def test_both_sides_are_recorded_batch_by_batch(tmp_path: Path) -> None:
    out = tmp_path / "rollout.json"
    args = RolloutArgs(model="tiny", split="generated", envs=2, turns=2, out=out)
    assert main(args) == out
    results = json.loads(out.read_text())["results"]
    assert results["model"] == "tiny"
    rates = results["turns_per_second"]
    for side in ("engine", "plain", "plain_merged"):
        assert len(rates[side]["values"]) == 2
        assert min(rates[side]["values"]) > 0
    for side in ("plain", "plain_merged"):
        pairs = zip(rates["engine"]["values"], rates[side]["values"], strict=True)
        ratios = [engine / plain for engine, plain in pairs]
        assert results["speedup_by_batch"][side]["values"] == pytest.approx(ratios, rel=1e-4)
        assert min(ratios) * 0.99 <= results["speedup"][side] <= max(ratios) * 1.01
        assert results["targets"][f"engine over {side}"]["at_least"] == 1.5
    tokens = results["tokens"]
    assert 0 < tokens["prefix"] < tokens["prompt"]
    assert tokens["chosen"] < tokens["response"] <= tokens["longest_response"]


def test_plain_generation_writes_as_many_tokens_as_it_is_told() -> None:
    policy = LanguagePolicy(*make_tiny())
    # The end of a text is likely, and still does not end it.
    with torch.no_grad():
        end = policy.tokenizer.eos_token_id
        policy.model.get_input_embeddings().weight[end] *= 10
    assert generate(policy, policy.model, [[5, 6, 7], [8], [9, 10]], 12).shape == (3, 12)
