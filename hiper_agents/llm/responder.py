"""What writes responses: its settings, its interface, and what it can read.

The backends (`generation`, `vllm_generation`) differ in what computes; which token comes next is
decided alike. The module knows nothing of prompts, of what the format is, or of learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, get_args

from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import Draw, Streams, draws_for
from hiper_agents.llm.turns import TurnTokens
from hiper_base.errors import HiperError

__all__ = [
    "Backend",
    "GenerationConfig",
    "GenerationError",
    "Responder",
    "Stream",
    "longest_row",
    "respond_with",
]

Backend = Literal["transformers", "vllm"]


class GenerationError(HiperError, ValueError):
    """A response cannot be written: the prompt does not fit, or the model is of another kind."""


@dataclass(frozen=True)
class GenerationConfig:
    """How responses are drawn.

    Raises:
        HiperError: If a number is out of range.
    """

    temperature: float = 1.0
    """What logits are divided by; log-probabilities are those at this temperature."""
    greedy: bool = False
    """Take the most likely token instead of drawing one."""
    max_batch: int = 256
    """Responses that are written side by side at most."""
    pass_tokens: int = 16_384
    """Tokens that one pass reads at most, unless a single prompt is longer."""
    pass_overhead: int | None = None
    """What a pass costs besides its tokens, in tokens: rows that would need more padding than this
    are run apart. None: 12 on the CPU, 2048 elsewhere."""
    merge_adapter: bool = True
    """Whether to read through a copy of the model with the adapter added to it: fewer operations a
    token, for the memory of the copy. vLLM always does."""
    fixed_shapes: bool = False
    """Whether passes of few tokens run all rows in one of few shapes, which on a GPU are recorded
    as CUDA graphs and replayed. Only for the backend transformers, and a model that is whole."""
    backend: Backend = "transformers"
    """What reads the tokens: the model itself, or vLLM (the extra `vllm`) with a copy of it."""
    vllm_cache_gib: float = 4.0
    """Memory that vLLM has for keys and values."""

    def __post_init__(self) -> None:
        if self.backend not in get_args(Backend):
            known = ", ".join(get_args(Backend))
            raise HiperError(f"there is no backend {self.backend!r}; there are {known}")
        if not self.vllm_cache_gib > 0:
            raise HiperError(f"vllm_cache_gib must be positive, not {self.vllm_cache_gib}")
        if not self.temperature > 0:
            raise HiperError(f"temperature must be positive, not {self.temperature}")
        if self.max_batch < 1 or self.pass_tokens < 1:
            raise HiperError("max_batch and pass_tokens must be at least 1")
        if self.pass_overhead is not None and self.pass_overhead < 0:
            raise HiperError(f"pass_overhead must be 0 or more, not {self.pass_overhead}")


class Stream(Protocol):
    """What writes responses to prompts that come at any time."""

    def add(self, key: int, prompt: Sequence[int], state: ResponseState, draw: Draw) -> None:
        """Has a response written.

        Args:
            key: What it will be returned with.
            prompt: Its tokens, at least one.
            state: The response, as `ResponseGrammar.begin` gives it; it is written on.
            draw: The random number for its k-th choice; asked for in order, each once.

        Raises:
            GenerationError: The prompt is empty.
        """

    def advance(self) -> list[tuple[int, TurnTokens]]:
        """Writes on.

        Returns:
            The responses that are finished now, with their keys; maybe none.

        Raises:
            GenerationError: A prompt does not fit the model with its response.
        """


class Responder(Protocol):
    """What writes responses."""

    @property
    def policy(self) -> LanguagePolicy:
        """What chooses."""

    @property
    def tells_values(self) -> bool:
        """Whether turns come with values; else they are 0, see `scoring.values_of`."""

    def respond(
        self,
        prompts: Sequence[Sequence[int]],
        states: Sequence[ResponseState],
        rng: Streams,
    ) -> list[TurnTokens]:
        """Writes a response to every prompt.

        Args:
            prompts: Tokens of n prompts, each at least one.
            states: The n responses, as `ResponseGrammar.begin` gives them; they are written on.
            rng: One of its numbers chooses one token; a source for all prompts, or one for each.
                What is drawn does not depend on how rows are batched, except for rounding; with a
                source for each, nor on the other prompts.

        Returns:
            The n turns, in order.

        Raises:
            GenerationError: A prompt is empty, or does not fit the model with its response.
            ValueError: There are sources, but not one for each prompt.
        """

    def stream(self) -> Stream:
        """Writes responses as prompts come."""

    def refresh(self) -> None:
        """Forgets what was computed before, after a change of the weights that does not show.

        An optimizer's steps and `LanguagePolicy.load_adapter_state` are noticed without it.
        """


def respond_with(
    stream: Stream,
    prompts: Sequence[Sequence[int]],
    states: Sequence[ResponseState],
    rng: Streams,
) -> list[TurnTokens]:
    """Writes a response to every prompt in a stream with nothing else to do, see `Responder`."""
    draws = draws_for(rng, len(prompts))
    turns: dict[int, TurnTokens] = {}
    for number, (prompt, state) in enumerate(zip(prompts, states, strict=True)):
        stream.add(number, prompt, state, partial(draws, number))
    while len(turns) < len(prompts):
        turns.update(stream.advance())
    return [turns[number] for number in range(len(prompts))]


def longest_row(policy: LanguagePolicy) -> int:
    """The longest row that a model can read with a cache of all keys and values.

    Raises:
        GenerationError: Its layers need another cache.
    """
    config = policy.model.config.get_text_config()
    longest = int(getattr(config, "max_position_embeddings", None) or 2**31)
    kinds = set(getattr(config, "layer_types", None) or ())
    if unknown := kinds - {"full_attention", "sliding_attention"}:
        name = type(policy.model).__name__
        raise GenerationError(f"{name} has layers that need another cache: {min(unknown)}")
    window = getattr(config, "sliding_window", None)
    slides = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    return min(longest, int(window)) if window and slides else longest
