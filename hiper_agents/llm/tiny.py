"""A tiny random language model with a tokenizer of its own, made in a second and without a network.

It has the parts of a real instruction model (rotary positions, grouped keys and values, tied
embeddings, byte-level tokens, a chat template), so that whatever runs on it runs on a real one. It
knows nothing of any task: its weights are random, only its tokenizer has seen texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from hiper_agents.environments import make_env
from hiper_envs.core import Episode
from hiper_envs.tags import render

__all__ = ["make_tiny"]

VOCABULARY = 640
MAX_POSITIONS = 4096

_GAMES = 40
_PAD, _START, _END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tiny(
    seed: int = 0, *, layers: int = 2, hidden: int = 64
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Makes the model and its tokenizer.

    Args:
        seed: Of the weights. The tokenizer is always the same. The global generators of random
            numbers are left as they were.
        layers: Transformer layers.
        hidden: Width; a multiple of 8 (four heads, each of an even width for the rotary positions).

    Returns:
        A Llama-style model in float32 on the CPU, in evaluation mode, and a byte-level BPE
        tokenizer of `VOCABULARY` tokens, trained on generated ALFWorld games.

    Raises:
        ValueError: The width cannot be split into heads.

    Example:
        >>> model, tokenizer = make_tiny()
        >>> model.config.num_hidden_layers, len(tokenizer)
        (2, 640)
        >>> tokenizer.decode(tokenizer.encode("go to desk 1"))
        'go to desk 1'
    """
    if hidden < 8 or hidden % 8:
        raise ValueError(f"hidden must be a multiple of 8, not {hidden}")
    tokenizer = _tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=MAX_POSITIONS,
        # Five times the usual: the tokens' probabilities then differ enough for a test to notice
        # that one was computed from the wrong state.
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return model.eval(), tokenizer


def _tokenizer() -> PreTrainedTokenizerFast:
    """A new tokenizer object; the training behind it is done once per process."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_trained()),
        bos_token=_START,
        eos_token=_END,
        pad_token=_PAD,
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


@lru_cache(maxsize=1)
def _trained() -> str:
    """The trained tokenizer as JSON."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[_PAD, _START, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    text: str = tokenizer.to_str()
    return text


def _texts() -> Iterator[str]:
    """What is said in the first generated games as the expert plays them."""
    env = make_env("HiPER-ALFWorld-v0", "generated", reference=True)
    for index in range(_GAMES):
        episode = Episode(env.source.open(index), env.max_turns)
        while not episode.ended:
            info = episode.info
            yield episode.observation
            yield "\n".join(info["admissible_actions"])
            response = render(
                info["expert_action"],
                switch=info["reference_boundary"],
                subgoal=info["reference_subgoal"] if info["reference_boundary"] else None,
            )
            yield response
            episode.step(response)
