"""The model that is trained, its frozen start and its critic."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
)

from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig, PolicyError
from hiper_base.errors import HiperError

IDS = [5, 9, 30, 31, 7, 300]

KINDS = [
    PolicyConfig(lora_rank=4),
    PolicyConfig(lora_rank=4, critic="separate"),
    PolicyConfig(lora_rank=0),
    PolicyConfig(lora_rank=0, critic="separate"),
]


def logits(policy: LanguagePolicy, learning: ModuleType) -> torch.Tensor:
    with torch.no_grad():
        return policy.logits(learning.hidden_states(policy, IDS))


@pytest.mark.parametrize("config", KINDS, ids=lambda config: f"{config.lora_rank}-{config.critic}")
def test_it_begins_as_the_model_that_it_was_given(
    learning: ModuleType, config: PolicyConfig
) -> None:
    model, tokenizer = learning.tiny_model()
    with torch.no_grad():
        expected = model(torch.tensor([IDS])).logits[0]
    policy = LanguagePolicy(model, tokenizer, config)
    assert torch.equal(logits(policy, learning), expected)
    with policy.reference():
        assert torch.equal(logits(policy, learning), expected)
    with policy.critic():
        assert not policy.values(learning.hidden_states(policy, IDS)).any()


@pytest.mark.parametrize("config", KINDS, ids=lambda config: f"{config.lora_rank}-{config.critic}")
def test_its_merged_weights_are_those_of_a_plain_model(
    learning: ModuleType, config: PolicyConfig
) -> None:
    policy = learning.tiny_policy(config)
    before = logits(policy, learning)
    learning.stirred(policy, seed=3)
    plain, _ = learning.tiny_model()
    for parameter in plain.parameters():
        parameter.data.add_(1.0)
    merged = dict(policy.merged_weights())
    assert not any(tensor.requires_grad for tensor in merged.values())
    missing, unexpected = plain.load_state_dict(merged, strict=False)
    assert not unexpected
    plain.tie_weights()
    assert set(missing) <= {"lm_head.weight"}
    with torch.no_grad():
        found = plain(torch.tensor([IDS])).logits[0]
    expected = logits(policy, learning)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (expected - before).abs().max() > 1e-2


@pytest.mark.parametrize("config", KINDS, ids=lambda config: f"{config.lora_rank}-{config.critic}")
def test_a_merged_model_says_the_same_at_every_call(
    learning: ModuleType, config: PolicyConfig
) -> None:
    policy, found = learning.tiny_policy(config), []
    before = dict(policy.named_parameters())
    for seed in (3, 4):
        learning.stirred(policy, seed=seed)
        model = policy.merge()
        with torch.no_grad():
            found.append(model(torch.tensor([IDS])).logits[0])
        torch.testing.assert_close(found[-1], logits(policy, learning), atol=1e-5, rtol=1e-5)
    assert policy.merge() is model
    assert (found[1] - found[0]).abs().max() > 1e-2
    assert dict(policy.named_parameters()) == before  # what is trained, counted and stored
    if config.lora_rank:
        assert not any(parameter.requires_grad for parameter in model.parameters())
        assert not any(isinstance(module, BaseTunerLayer) for module in model.modules())
        # The only memory that it takes is that of the layers with adapters.
        assert model.get_input_embeddings().weight is policy.model.get_input_embeddings().weight


@pytest.mark.parametrize("config", KINDS, ids=lambda config: f"{config.lora_rank}-{config.critic}")
def test_the_reference_stays_what_it_was(learning: ModuleType, config: PolicyConfig) -> None:
    policy = learning.tiny_policy(config)
    start = logits(policy, learning)
    optimizer = torch.optim.SGD(policy.policy_parameters(), lr=0.1)
    for _ in range(2):
        loss = policy.logits(learning.hidden_states(policy, IDS)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    trained = logits(policy, learning)
    assert (trained - start).abs().max() > 1e-2
    with policy.reference():
        hidden = learning.hidden_states(policy, IDS)
        assert not hidden.requires_grad
        assert torch.equal(policy.logits(hidden), start)
    assert torch.equal(logits(policy, learning), trained)

    policy.freeze_reference()
    learning.stirred(policy, seed=3)
    with policy.reference():
        assert torch.equal(logits(policy, learning), trained)
    assert not torch.equal(logits(policy, learning), trained)


def test_an_error_leaves_the_policy_active(learning: ModuleType) -> None:
    policy = learning.stirred(learning.tiny_policy())
    expected = logits(policy, learning)
    with pytest.raises(ZeroDivisionError), policy.reference():
        _ = 1 / 0
    assert torch.equal(logits(policy, learning), expected)
    assert all(parameter.requires_grad for parameter in policy.policy_parameters())


@pytest.mark.parametrize("config", KINDS, ids=lambda config: f"{config.lora_rank}-{config.critic}")
def test_the_state_goes_round_exactly(
    learning: ModuleType, config: PolicyConfig, tmp_path: Path
) -> None:
    policy = learning.tiny_policy(config)
    learning.stirred(policy, seed=1)
    policy.freeze_reference()
    learning.stirred(policy, seed=2)
    state = policy.adapter_state()
    save_file(state, tmp_path / "state.safetensors")
    other = learning.tiny_policy(config)
    version = other.version
    other.load_adapter_state(load_file(tmp_path / "state.safetensors"))
    assert other.version > version
    again = other.adapter_state()
    assert again.keys() == state.keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in state.items())
    assert torch.equal(logits(policy, learning), logits(other, learning))
    with policy.reference(), other.reference():
        assert torch.equal(logits(policy, learning), logits(other, learning))
    with policy.critic(), other.critic():
        hidden = [learning.hidden_states(each, IDS) for each in (policy, other)]
        assert torch.equal(policy.values(hidden[0]), other.values(hidden[1]))
    # It is a copy.
    learning.stirred(policy, seed=3)
    assert all(torch.equal(tensor, again[name]) for name, tensor in state.items())


def test_a_state_of_something_else_is_refused(learning: ModuleType) -> None:
    policy = learning.tiny_policy()
    before = policy.adapter_state()
    other = learning.stirred(learning.tiny_policy(PolicyConfig(lora_rank=2))).adapter_state()
    with pytest.raises(PolicyError, match=r"another model: .*lora_A"):
        policy.load_adapter_state(other)
    separate = learning.tiny_policy(PolicyConfig(lora_rank=4, critic="separate")).adapter_state()
    with pytest.raises(PolicyError, match=r"another configuration: critic\."):
        policy.load_adapter_state(separate)
    after = policy.adapter_state()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_what_is_trained_is_told_apart(learning: ModuleType) -> None:
    policy = learning.tiny_policy(PolicyConfig(lora_rank=4, critic="separate"))
    mine, critic = policy.policy_parameters(), policy.critic_parameters()
    assert {id(each) for each in mine}.isdisjoint(id(each) for each in critic)
    # Two layers of seven matrices, two matrices each; three heads of two layers.
    assert (len(mine), len(critic)) == (28, 28 + 12)
    policy.logits(learning.hidden_states(policy, IDS)).sum().backward()
    learning.stirred(policy)
    assert all(parameter.grad is not None for parameter in mine)
    with policy.critic():
        policy.values(learning.hidden_states(policy, IDS)).sum().backward()
    assert all(parameter.grad is not None for parameter in critic)
    frozen = {id(each) for each in (*mine, *critic)}
    assert all(each.grad is None for each in policy.parameters() if id(each) not in frozen)


def test_the_start_is_a_matter_of_the_seed_alone(learning: ModuleType) -> None:
    before = torch.random.get_rng_state()
    states = [
        learning.tiny_policy(PolicyConfig(lora_rank=4, seed=seed)).adapter_state()
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    name = "policy.model.layers.0.self_attn.q_proj.lora_A.weight"
    assert torch.equal(states[0][name], states[1][name])
    assert torch.equal(states[0]["heads.0.0.weight"], states[1]["heads.0.0.weight"])
    assert not torch.equal(states[0][name], states[2][name])
    assert not torch.equal(states[0][name], states[0][name.replace("q_proj", "o_proj")])


def test_bfloat16_computes_in_bfloat16_and_is_trained_in_float32(learning: ModuleType) -> None:
    for rank in (4, 0):
        model, tokenizer = learning.tiny_model()
        policy = LanguagePolicy(model.bfloat16(), tokenizer, PolicyConfig(lora_rank=rank))
        assert policy.compute_dtype == torch.bfloat16
        assert {tensor.dtype for tensor in policy.adapter_state().values()} == {torch.float32}
        hidden = learning.hidden_states(policy, IDS)
        found = policy.logits(hidden)
        assert found.dtype == policy.values(hidden).dtype == torch.float32
        found.sum().backward()
        # An adapter's step is smaller than bfloat16 could tell apart.
        parameter = policy.policy_parameters()[0]
        before = parameter.detach().clone()
        torch.optim.SGD(policy.policy_parameters(), lr=1e-6).step()
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        torch.testing.assert_close(parameter - before, -1e-6 * parameter.grad, rtol=0, atol=1e-7)


SMALL: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.mark.parametrize(
    "config",
    [
        Gemma2Config(**SMALL, head_dim=8, final_logit_softcapping=0.5, initializer_range=0.3),
        CohereConfig(**SMALL, logit_scale=0.0625, initializer_range=0.3),
        GraniteConfig(**SMALL, logits_scaling=8.0, initializer_range=0.3),
        GPT2Config(vocab_size=320, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3),
    ],
    ids=lambda config: config.model_type,
)
@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
def test_other_models_say_what_they_said(learning: ModuleType, config: PretrainedConfig) -> None:
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        expected = model(torch.tensor([IDS])).logits[0]
    policy = LanguagePolicy(model, learning.tiny_model()[1], PolicyConfig(lora_rank=4))
    torch.testing.assert_close(logits(policy, learning), expected)
    learning.stirred(policy)
    with torch.no_grad():
        hidden = policy.trunk(torch.tensor([IDS]), model=policy.merge()).last_hidden_state
    assert hidden is not None
    torch.testing.assert_close(hidden[0], learning.hidden_states(policy, IDS), atol=1e-5, rtol=1e-5)
    learning.hidden_states(policy, IDS).sum().backward()
    assert all(parameter.grad is not None for parameter in policy.policy_parameters())


def test_logits_that_are_computed_differently_are_refused(learning: ModuleType) -> None:
    class Doubled(LlamaForCausalLM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            output = super().forward(*args, **kwargs)
            output.logits = output.logits * 2
            return output

    model = Doubled(LlamaConfig(**SMALL))
    with pytest.raises(PolicyError, match="Doubled computes logits in a way"):
        LanguagePolicy(model, learning.tiny_model()[1])


def test_half_precision_is_refused(learning: ModuleType) -> None:
    model, tokenizer = learning.tiny_model()
    with pytest.raises(PolicyError, match="use float32 or bfloat16"):
        LanguagePolicy(model.half(), tokenizer)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
@pytest.mark.parametrize("rank", [4, 0])
def test_checkpointing_computes_again_and_changes_nothing(learning: ModuleType, rank: int) -> None:
    gradients, passes = [], []
    for checkpointing in (False, True):
        # A model with dropout, which would give other numbers at every pass.
        shape = {"vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4}
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(GPT2Config(**shape))
        config = PolicyConfig(lora_rank=rank, gradient_checkpointing=checkpointing)
        policy = LanguagePolicy(model, learning.tiny_model()[1], config)
        count: list[int] = []
        policy.model.base_model.h[0].attn.register_forward_hook(lambda *_, c=count: c.append(1))
        policy.logits(learning.hidden_states(policy, IDS)).square().mean().backward()
        gradients.append([p.grad for p in policy.policy_parameters() if p.grad is not None])
        passes.append(len(count))
        # Generation keeps its cache.
        with torch.no_grad():
            cache = policy.trunk(torch.tensor([IDS]), use_cache=True).past_key_values
        assert cache.get_seq_length() == len(IDS)
    assert passes == [1, 2]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_a_mask_is_not_needed_for_padding_on_the_right(learning: ModuleType) -> None:
    policy = learning.stirred(learning.tiny_policy())
    ids = torch.tensor([[*IDS, 0, 0]])
    mask = torch.tensor([[1] * len(IDS) + [0, 0]])
    with torch.no_grad():
        one = policy.trunk(ids).last_hidden_state
        other = policy.trunk(ids, mask).last_hidden_state
    torch.testing.assert_close(one[:, : len(IDS)], other[:, : len(IDS)])
    torch.testing.assert_close(one[0, : len(IDS)], learning.hidden_states(policy, IDS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora_rank": -1}, "lora_rank must be 0 or more"),
        ({"value_hidden": 0}, "value_hidden must be at least 1"),
        ({"critic": "none"}, "there is no critic 'none'; there are trunk, separate"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(HiperError, match=message):
        PolicyConfig(**settings)
