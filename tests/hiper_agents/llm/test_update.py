"""What an update teaches a tiny model, and what it must not depend on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.llm.experience import Experience, Minibatch, deal
from hiper_agents.llm.memory import DeviceMemoryError
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.scoring import log_probs_of, values_of
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.update import DivergedError, LLMUpdateConfig, make_optimizer, update
from hiper_base.errors import HiperError

CONFIG = LLMUpdateConfig(learning_rate=1e-3, critic_learning_rate=1e-3, micro_tokens=120, kl=0.1)


def run(
    policy: LanguagePolicy,
    turns: Sequence[TurnTokens],
    advantages: Advantages,
    config: LLMUpdateConfig = CONFIG,
    **options: Any,
) -> dict[str, float]:
    optimizer = make_optimizer(policy, config)
    rng = np.random.default_rng(0)
    return update(policy, optimizer, turns, advantages, rng, config, **options)


@contextmanager
def gradients_of_steps() -> Iterator[list[list[torch.Tensor]]]:
    """Records the gradients that the optimizer is handed, step by step."""
    steps: list[list[torch.Tensor]] = []

    def record(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        steps.append(
            [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
        )

    hook = register_optimizer_step_pre_hook(record)
    try:
        yield steps
    finally:
        hook.remove()


def columns(low: float = 0.0, high: float = 0.0, switch: float = 0.0, count: int = 1) -> Advantages:
    zeros = np.zeros(count)
    return Advantages(zeros + low, zeros + high, zeros + switch, zeros, zeros, zeros)


def changed_parts(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(("critic", "checkpointing"), [("trunk", False), ("separate", True)])
def test_gradients_do_not_depend_on_micro_batches(
    learning: ModuleType, critic: Any, checkpointing: bool
) -> None:
    kept = []
    for micro_tokens in (1, 10_000):
        settings = PolicyConfig(lora_rank=4, critic=critic, gradient_checkpointing=checkpointing)
        policy = learning.stirred(learning.tiny_policy(settings))
        turns = learning.write_turns(policy, 6)
        learning.stirred(policy, seed=1)  # so that ratios differ from 1
        config = replace(CONFIG, micro_tokens=micro_tokens, max_grad_norm=1e6, entropy=0.05)
        with gradients_of_steps() as steps:
            figures = run(policy, turns, learning.some_advantages(turns), config)
        (gradients,) = steps
        kept.append((gradients, figures))
    (one, first), (other, second) = kept
    for each, same in zip(one, other, strict=True):
        scale = float(each.abs().max())
        assert scale > 0
        torch.testing.assert_close(each, same, rtol=1e-4, atol=1e-5 * max(1.0, scale))
    del first["micro_tokens"], second["micro_tokens"]
    assert first == pytest.approx(second, rel=1e-4, abs=1e-6)


def test_the_figures_by_hand(learning: ModuleType) -> None:
    policy = learning.stirred(learning.tiny_policy())
    turns = learning.write_turns(policy, 5)
    advantages = learning.some_advantages(turns)
    learning.stirred(policy, seed=1)
    log_probs = log_probs_of(policy, turns, temperature=1.0, max_tokens=99)
    with policy.reference():
        reference = log_probs_of(policy, turns, temperature=1.0, max_tokens=99)
    values = values_of(policy, turns, max_tokens=99)
    figures = run(policy, turns, advantages)

    losses: dict[str, list[float]] = {"switch": [], "subgoal": [], "action": []}
    for i, turn in enumerate(turns):
        places = np.flatnonzero(turn.sampled)
        for name, advantage in (("switch", "switch"), ("subgoal", "high"), ("action", "low")):
            start, end = getattr(turn.spans, name)
            inside = (places >= start) & (places < end)
            if inside.any():
                old = turn.log_probs[places][inside].sum()
                ratio = np.exp(log_probs[i][inside].sum() - old)
                a = getattr(advantages, advantage)[i]
                losses[name].append(-min(ratio * a, np.clip(ratio, 0.8, 1.2) * a))
    # The first turn's switch was forced; two of the five begin an option.
    assert [len(each) for each in losses.values()] == [4, 2, 5]
    for name, each in losses.items():
        assert figures[f"policy_{name}"] == pytest.approx(np.mean(each), rel=1e-3, abs=1e-6)
    apart = np.concatenate(reference) - np.concatenate(log_probs)
    assert figures["kl"] == pytest.approx(np.mean(np.exp(apart) - apart - 1), rel=1e-3)
    begins = [0, 3]
    errors = {
        "value_low": (values[:, 0] - advantages.returns_low) ** 2,
        "value_high": ((values[:, 1] - advantages.returns_high) ** 2)[begins],
        "value_switch": (values[:, 2] - advantages.returns_switch) ** 2,
    }
    for name, error in errors.items():
        assert figures[name] == pytest.approx(error.mean(), rel=1e-3)


def test_fresh_turns_match_what_was_recorded(learning: ModuleType) -> None:
    policy = learning.tiny_policy()
    turns = learning.first_turns(4)
    figures = run(policy, turns, learning.some_advantages(turns), replace(CONFIG, minibatch=2))
    assert figures["mismatch"] < 1e-5
    assert figures["kl_step_action"] > 0, "the second minibatch meets weights that have changed"
    stale = [replace(turn, log_probs=turn.log_probs - 0.5 * turn.sampled) for turn in turns]
    policy = learning.tiny_policy()
    figures = run(policy, stale, learning.some_advantages(turns), replace(CONFIG, recompute=True))
    assert figures["mismatch"] == pytest.approx(0.5, abs=1e-4)
    assert figures["kl_step_action"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rank", [4, 0])
def test_what_is_favoured_becomes_likelier(learning: ModuleType, rank: int) -> None:
    policy = learning.tiny_policy(PolicyConfig(lora_rank=rank))
    config = replace(CONFIG, learning_rate=4e-3 if rank else 4e-4, kl=0.0, epochs=2)
    optimizer = make_optimizer(policy, config)
    rng = np.random.default_rng(1)
    prompt, options, good = [9, 8, 7], [20, 30, 40, 50], 30

    def probability() -> float:
        logits = policy.logits(learning.hidden_states(policy, [*prompt, 5])[-1])
        return logits[options].softmax(0)[options.index(good)].item()

    before = probability()
    for _ in range(6):
        turns = [learning.write_turn(policy, prompt, [5], [], [options], rng) for _ in range(8)]
        reward = np.array([float(turn.response[-1] == good) for turn in turns])
        low = reward - 0.5
        advantages = Advantages(low, low, low, reward, reward, reward)
        update(policy, optimizer, turns, advantages, rng, config)
    assert before < 0.5
    assert probability() > 0.8
    assert policy.version == 12
    # V_L is read right before the action, where the reward is not known: it is the success rate.
    assert values_of(policy, turns, max_tokens=99)[0, 0] == pytest.approx(0.8, abs=0.25)


def test_each_block_learns_from_its_own_advantage(learning: ModuleType) -> None:
    policy = learning.tiny_policy()
    three = ([[6, 8]], [[20, 30, 40]], [[60, 70, 80]])
    turn = learning.write_turn(policy, [9, 8, 7], *three, np.random.default_rng(5))
    config = replace(CONFIG, kl=0.0, value_weight=0.0, learning_rate=1e-2)
    start = policy.adapter_state()
    before = log_probs_of(policy, [turn], temperature=1.0, max_tokens=99)[0]
    for place, name in enumerate(("switch", "high", "low")):
        for sign in (1.0, -1.0):
            policy.load_adapter_state(start)
            run(policy, [turn], columns(**{name: sign}), config)
            after = log_probs_of(policy, [turn], temperature=1.0, max_tokens=99)[0]
            assert sign * (after[place] - before[place]) > 1e-3, name


def test_a_subgoal_beside_keep_is_not_trained_by_hierarchical_credit(learning: ModuleType) -> None:
    turns = learning.first_turns(4)  # 0 and 3 have a subgoal
    boundary = np.array([True, False, False, False])
    hierarchical = Experience.of(turns, learning.some_advantages(turns), boundary)
    assert hierarchical.learns[:, 1].tolist() == [True, False, False, False]
    assert hierarchical.judged.tolist() == [[True, begins, True] for begins in boundary]
    shared = np.ones(4)
    flat = Advantages(shared, shared, shared, shared, shared, shared)
    assert Experience.of(turns, flat, boundary).learns[:, 1].tolist() == [True, False, False, True]
    with pytest.raises(ValueError, match=r"\(3,\) advantages do not fit 4 turns"):
        Experience.of(turns, columns(count=3))


def test_the_penalty_holds_the_policy_back(learning: ModuleType) -> None:
    divergences = []
    for weight in (0.0, 100.0):
        policy = learning.tiny_policy()
        turns = learning.first_turns(4)
        config = replace(CONFIG, kl=weight, epochs=4, value_weight=0.0, minibatch=4)
        run(policy, turns, columns(low=1.0, switch=1.0, count=4), config)
        now = np.concatenate(log_probs_of(policy, turns, temperature=1.0, max_tokens=99))
        with policy.reference():
            start = np.concatenate(log_probs_of(policy, turns, temperature=1.0, max_tokens=99))
        divergences.append(np.abs(now - start).mean())
    assert divergences[1] < 0.5 * divergences[0]


def test_without_a_critic_its_weights_stay(learning: ModuleType) -> None:
    policy = learning.tiny_policy()
    before = policy.adapter_state()
    turns = learning.first_turns(3)
    config = replace(CONFIG, value_weight=0.0)
    figures = run(policy, turns, learning.some_advantages(turns), config)
    assert changed_parts(before, policy.adapter_state()) == {"policy"}
    assert figures["value_low"] == 0


def test_a_detached_critic_leaves_the_trunk_alone(learning: ModuleType) -> None:
    changes = []
    for detached in (False, True):
        config = PolicyConfig(lora_rank=4, detach_critic=detached)
        policy = learning.stirred(learning.tiny_policy(config))
        turns = learning.write_turns(policy, 3)
        before = policy.adapter_state()
        run(policy, turns, columns(count=3), replace(CONFIG, kl=0.0))
        changes.append(changed_parts(before, policy.adapter_state()))
    assert changes == [{"policy", "heads"}, {"heads"}]


@pytest.mark.parametrize("critic", ["trunk", "separate"])
def test_the_policy_can_wait_for_its_critic(learning: ModuleType, critic: Any) -> None:
    policy = learning.tiny_policy(PolicyConfig(lora_rank=4, critic=critic))
    before = policy.adapter_state()
    turns = learning.first_turns(3)
    figures = run(policy, turns, learning.some_advantages(turns), only_critic=True)
    assert "policy" not in changed_parts(before, policy.adapter_state())
    assert "heads" in changed_parts(before, policy.adapter_state())
    assert figures["policy_grad_norm"] == 0


class Memory:
    """Stands for a device with room for so many tokens a pass: allocations beyond it fail."""

    def __init__(self, policy: LanguagePolicy, tokens: int) -> None:
        self.tokens, self.failures = tokens, 0
        layer = policy.model.base_model.layers[-1]
        layer.register_forward_pre_hook(self._allocate, with_kwargs=True)

    def _allocate(self, _: Any, args: tuple[torch.Tensor, ...], __: Any) -> None:
        if args[0].shape[0] * args[0].shape[1] > self.tokens:
            self.failures += 1
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")


def test_out_of_memory_halves_the_passes(
    learning: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    states = []
    for tokens in (10_000, 100):
        policy = learning.tiny_policy()
        turns = learning.first_turns(6)
        memory = Memory(policy, tokens)
        config = replace(CONFIG, micro_tokens=400, minibatch=3)
        figures = run(policy, turns, learning.some_advantages(turns), config)
        states.append(policy.adapter_state())
    assert figures["micro_tokens"] == 100
    assert memory.failures == 2
    assert "passes of 100 tokens from now on" in caplog.text
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-3, atol=2e-5, msg=name)


def test_out_of_memory_in_the_middle_of_a_minibatch_begins_it_anew(learning: ModuleType) -> None:
    kept = []
    for fails in (False, True):
        policy = learning.tiny_policy(PolicyConfig(lora_rank=4, critic="separate"))
        turns = learning.first_turns(6)
        config = replace(CONFIG, micro_tokens=120, kl=0.0, max_grad_norm=1e6)
        passes = iter(
            [False, False, True]
        )  # gradients of two passes are there when the third fails

        def allocate(*_: Any, fails: bool = fails, passes: Iterator[bool] = passes) -> None:
            if fails and next(passes, False):
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")

        policy.model.base_model.layers[-1].register_forward_pre_hook(allocate)
        with gradients_of_steps() as steps:
            figures = run(policy, turns, learning.some_advantages(turns), config)
        assert figures["micro_tokens"] == (60 if fails else 120)
        kept.append(steps[0])
    for one, other in zip(*kept, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_turn_that_is_too_long_is_named(learning: ModuleType) -> None:
    policy = learning.tiny_policy()
    turns = learning.first_turns(2)
    Memory(policy, 5)
    before = policy.adapter_state()
    longest = max(map(len, turns))
    with pytest.raises(DeviceMemoryError, match=f"a turn of {longest} tokens does not fit"):
        run(policy, turns, learning.some_advantages(turns))
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.adapter_state().items())


@pytest.mark.parametrize("reduced", [False, True])
def test_what_is_not_finite_is_noticed_before_the_step(learning: ModuleType, reduced: bool) -> None:
    policy = learning.tiny_policy()
    turns = learning.first_turns(3)
    before = policy.adapter_state()
    advantages = learning.some_advantages(turns)
    advantages.low[1] = np.nan
    with pytest.raises(DivergedError, match="policy_action is nan"):
        run(policy, turns, advantages, reduce=(lambda _: None) if reduced else None)
    after = policy.adapter_state()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_a_gradient_that_is_not_finite_is_noticed(learning: ModuleType) -> None:
    policy = learning.tiny_policy()
    turns = learning.first_turns(3)
    parameter = policy.policy_parameters()[0]
    parameter.register_hook(lambda gradient: gradient * torch.inf)
    before = policy.adapter_state()
    with pytest.raises(DivergedError, match="policy_grad_norm is"):
        run(policy, turns, learning.some_advantages(turns))
    after = policy.adapter_state()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


class Exchange:
    """Sums of tensors over threads that stand for processes."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=60)
        self._shares: list[Sequence[torch.Tensor]] = [()] * size

    def of(self, rank: int) -> Any:
        def reduce(tensors: Sequence[torch.Tensor]) -> None:
            self._shares[rank] = tensors
            self._barrier.wait()
            sums = [torch.stack(list(each)).sum(0) for each in zip(*self._shares, strict=True)]
            self._barrier.wait()
            for tensor, total in zip(tensors, sums, strict=True):
                tensor.copy_(total)
            self._barrier.wait()

        return reduce


def test_processes_learn_together_what_one_would_learn(learning: ModuleType) -> None:
    turns = learning.first_turns(7)
    advantages = learning.some_advantages(turns)
    alone = learning.tiny_policy()
    expected = run(alone, turns, advantages)
    exchange = Exchange(3)
    policies = [learning.tiny_policy() for _ in range(3)]
    figures: list[dict[str, float]] = [{}, {}, {}]

    def work(rank: int, rows: slice) -> None:
        part = Advantages(*(column[rows] for column in vars(advantages).values()))
        figures[rank] = run(policies[rank], turns[rows], part, reduce=exchange.of(rank))

    # The third has nothing to learn from, and takes part all the same.
    rows = (slice(0, 5), slice(5, 7), slice(7, 7))
    threads = [threading.Thread(target=work, args=each) for each in enumerate(rows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each, policy in zip(figures, policies, strict=True):
        assert each == pytest.approx(expected, rel=1e-3, abs=1e-5)
        for name, tensor in alone.adapter_state().items():
            torch.testing.assert_close(
                policy.adapter_state()[name], tensor, rtol=1e-3, atol=2e-5, msg=name
            )


def test_minibatches_deal_every_turn_once() -> None:
    device = torch.device("cpu")
    parts = list(deal(10, 4, np.random.default_rng(0), device, None))
    assert [len(part) for part in parts] == [5, 5]
    assert sorted(np.concatenate(parts).tolist()) == list(range(10))

    def with_others(tensors: Sequence[torch.Tensor]) -> None:
        for tensor in tensors:
            tensor += 26

    assert len(list(deal(10, 4, np.random.default_rng(0), device, with_others))) == 9


def test_weights_are_averages_over_own_turns(learning: ModuleType) -> None:
    turns = learning.first_turns(5)
    data = Experience.of(turns, learning.some_advantages(turns))
    batch = Minibatch.of(data, np.array([3, 0, 1]), torch.device("cpu"), None)
    # The switch of turn 0 was forced; turns 0 and 3 have a subgoal.
    third, half = pytest.approx(1 / 3), 0.5
    expected = [[half, half, third], [0, half, third], [half, 0, third]]
    assert batch.block_weights.tolist() == expected
    assert batch.token_weight.item() == pytest.approx(1 / len(batch.log_probs))


@pytest.mark.parametrize(
    "settings", [{"epochs": 0}, {"minibatch": 0}, {"temperature": 0.0}, {"clip": -0.1}]
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(HiperError, match=f"{next(iter(settings))} must be"):
        LLMUpdateConfig(**settings)
