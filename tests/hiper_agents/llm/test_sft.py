"""Demonstrations, and learning from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hiper_agents.agent import make_agent
from hiper_agents.environments import make_env
from hiper_agents.evaluation import evaluate
from hiper_agents.llm.config import FormatConfig
from hiper_agents.llm.demonstrations import DEMONSTRATIONS_FILE, demonstrate
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.policy import PolicyConfig
from hiper_agents.llm.prompts import PromptConfig, PromptWriter
from hiper_agents.llm.sft import SftConfig, SupervisedTrainer, sft
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.update import DivergedError
from hiper_base.errors import HiperError
from hiper_envs.core import Episode
from hiper_envs.tags import parse

SMALL = SftConfig(
    model="tiny",
    device="cpu",
    prompt=PromptConfig(template="compact", history=0),
    policy=PolicyConfig(lora_rank=0),
    split="generated",
    episodes=4,
    epochs=2,
    minibatch=8,
    learning_rate=3e-3,
    warmup=2,
    checkpoint_seconds=0.0,
    tensorboard=False,
)


@pytest.mark.parametrize("structured", [True, False])
def test_a_demonstration_solves_its_task(no_data: Path, structured: bool) -> None:
    _, tokenizer = make_tiny(layers=1, hidden=8)
    env = make_env("HiPER-ALFWorld-v0", "generated", reference=True)
    writer = PromptWriter(tokenizer, PromptConfig(template="compact"))
    grammar = ResponseGrammar(tokenizer, structured=structured)
    (turns,) = demonstrate(writer, grammar, env.source, [3], max_turns=50)
    episode = Episode(env.source.open(3), 50)
    expert_boundaries = []
    for number, demonstration in enumerate(turns):
        expert_boundaries.append(episode.info["reference_boundary"])
        assert demonstration.number == number
        assert demonstration.turn.sampled.any()
        assert tokenizer.decode(demonstration.turn.response).startswith(demonstration.turn.text)
        episode.step(demonstration.turn.text)
    assert episode.info["won"]
    switches = [parse(demonstration.turn.text).switch for demonstration in turns]
    assert switches == expert_boundaries


def test_it_learns_to_write_what_the_expert_writes(no_data: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    config = replace(SMALL, epochs=6)
    trainer = sft(
        config, tmp_path / "run", on_iteration=lambda m, _: losses.append(m["losses"]["token"])
    )
    assert losses[-1] < 0.7 * losses[0]
    lines = (tmp_path / "run" / DEMONSTRATIONS_FILE).read_text().splitlines()
    assert len(lines) == len(trainer.demonstrations)
    first = json.loads(lines[0])
    assert parse(first["response"]).switch
    assert first["messages"][-1]["role"] == "user"
    agent = make_agent(tmp_path / "run", device="cpu")
    result = evaluate(agent, split="generated", episodes=1, env_kwargs={"max_turns": 3})
    assert result["invalid_action_rate"] == result["format_error_rate"] == 0.0


def test_a_run_that_was_stopped_ends_like_one_that_was_not(no_data: Path, tmp_path: Path) -> None:
    config = replace(SMALL, minibatch=4)
    whole = sft(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        sft(config, tmp_path / "halves", on_iteration=_stop)
    stopped = SupervisedTrainer(config)
    stopped.load(tmp_path / "halves")
    assert 0 < stopped.step < whole.total_steps
    halves = sft(config, tmp_path / "halves", resume=True)
    assert halves.step == whole.step == whole.total_steps
    one, other = whole.policy.adapter_state(), halves.policy.adapter_state()
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(HiperError, match="already holds a run"):
        sft(config, tmp_path / "whole")


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_diverges_is_an_error(no_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="step"):
        sft(replace(SMALL, learning_rate=1e18, warmup=0, epochs=4), tmp_path / "run")


def test_settings_out_of_range_are_errors() -> None:
    with pytest.raises(HiperError, match="epochs"):
        replace(SMALL, epochs=0)


def test_free_text_is_learned_tags_and_all(no_data: Path, tmp_path: Path) -> None:
    config = replace(SMALL, format=FormatConfig(structured=False), episodes=1, epochs=1)
    trainer = sft(config, tmp_path / "run")
    turn = trainer.demonstrations[0].turn
    assert turn.sampled.all()
