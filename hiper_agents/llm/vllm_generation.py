"""Writes responses with vLLM, in this process: the extra `vllm`.

vLLM keeps the prompts' keys and values and reads tokens, with CUDA graphs where there is a GPU.
Which token comes next is decided here, by a logits processor that sees the logits of all rows and
leaves one token to each: the choices, the random numbers and the log-probabilities are those of
`generation`, and so are the turns, except for rounding. Every token is a step there, also one that
the format forces. Values are not told.

The module knows nothing of prompts, of what the format is, or of learning.
"""

from __future__ import annotations

import copy
import itertools
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.responder import (
    GenerationConfig,
    GenerationError,
    longest_row,
    respond_with,
)
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import Chooser, Draw, Streams
from hiper_agents.llm.turns import TurnTokens

# In this process, and with the interface of logits processors that sees the tokens of a row.
os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
# On a CPU the threads stay those of the process, which also trains.
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

try:
    from vllm import LLM, SamplingParams
    from vllm.inputs import TokensPrompt
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.sample.logits_processor import (
        BatchUpdate,
        LogitsProcessor,
        MoveDirectionality,
    )
except ImportError as error:
    # Without vLLM the module can still be read, by whoever looks for examples in it.
    _missing: ImportError | None = error
    LogitsProcessor = object
else:
    _missing = None

if TYPE_CHECKING:
    from vllm.config import VllmConfig

__all__ = ["VllmGenerator", "VllmStream"]

_KEY = "hiper_row"
_GIB = 2**30


class _Row:
    """A response in the making.

    Args:
        key: What its owner knows it by.
        prompt: Tokens of the prompt.
        state: What has been written.
        draw: Its random numbers; None to take the most likely tokens.
        rules: What all rows of a generator have in common.

    Attributes:
        log_probs: Of the chosen tokens.
        read: Tokens that vLLM is given.
        ended: Whether vLLM has ended it.
    """

    def __init__(
        self,
        key: int,
        prompt: Sequence[int],
        state: ResponseState,
        draw: Draw | None,
        rules: _Rules,
    ) -> None:
        self.key, self.prompt, self.state = key, prompt, state
        self.draw, self.rules = draw, rules
        self.log_probs: list[float] = []
        self.read = [*prompt, *state.forced()]
        self.ended = False
        self._written: list[int] = []
        self._asked = 0

    def ask(self, written: int) -> None:
        """Makes sure that a token is asked for once only, in its turn.

        Args:
            written: Tokens that vLLM has.

        Raises:
            GenerationError: It has more or fewer than were decided here.
        """
        if written != self._asked:
            raise GenerationError(
                f"vLLM asks for token {written} of a response when {self._asked} is due: "
                "this version of it is not supported"
            )
        self._asked += 1

    @property
    def due(self) -> int | None:
        """The next token if it is decided, the last one after the response's end; else None."""
        place = self._asked - 1
        if place < len(self._written):
            return self._written[place]
        return self.rules.end if self.state.finished else None

    def take(self, token: int, log_prob: float) -> None:
        """Goes on with a chosen token."""
        self.state.advance(token)
        self.log_probs.append(log_prob)
        self._written += [token, *self.state.forced()]


class _Rules:
    """What all rows of a generator have in common.

    Args:
        chooser: Chooses among logits.
        end: The token that tells vLLM that a response has ended.
    """

    def __init__(self, chooser: Chooser, end: int) -> None:
        self._chooser, self.end = chooser, end

    def choose(self, logits: Tensor, rows: Sequence[_Row]) -> None:
        """Chooses the next token of rows, given their logits [n, V]."""
        numbers = [row.draw(len(row.log_probs)) for row in rows if row.draw is not None]
        allowed = [row.state.allowed() for row in rows]
        choice = self._chooser(logits, allowed, np.array(numbers) if numbers else None)
        for row, token, log_prob in zip(rows, *(part.tolist() for part in choice), strict=True):
            row.take(token, log_prob)


_ROWS: dict[int, _Row] = {}
"""Rows that are being written: vLLM makes the logits processors itself and hands requests over by
value, so that they can be found by their number only."""

_NUMBERS = itertools.count()


class _Decider(LogitsProcessor):
    """Leaves one token to every row of a batch."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self._rows: dict[int, tuple[_Row, list[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        """False: it decides which token is the most likely one."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follows the rows of the batch to their places."""
        if batch_update is None:
            return
        rows = self._rows
        for place in batch_update.removed:
            rows.pop(place, None)
        for place, params, _, written in batch_update.added:
            row = _ROWS.get((params.extra_args or {}).get(_KEY, -1))
            rows.pop(place, None)
            if row is not None:
                rows[place] = (row, written)
        for source, target, direction in batch_update.moved:
            moving, there = rows.pop(source, None), rows.pop(target, None)
            if moving is not None:
                rows[target] = moving
            if there is not None and direction == MoveDirectionality.SWAP:
                rows[source] = there

    def apply(self, logits: Tensor) -> Tensor:
        """Chooses where there is a choice; float32 [rows, V]."""
        for row, written in self._rows.values():
            row.ask(len(written))
        choosing = [place for place, (row, _) in self._rows.items() if row.due is None]
        if choosing:
            rows = [self._rows[place][0] for place in choosing]
            rows[0].rules.choose(logits[choosing], rows)
        if self._rows:
            places = torch.tensor(list(self._rows), device=logits.device)
            tokens = torch.tensor([row.due for row, _ in self._rows.values()], device=logits.device)
            logits[places] = -torch.inf
            logits[places, tokens] = 0.0
        return logits


class _Place:
    """Where the engine of this process lives: vLLM has room for one, with its state in globals."""

    def __init__(self) -> None:
        self._owner: int | None = None
        self._engine: LLM | None = None

    def take(self, owner: int, start: Callable[[], LLM]) -> tuple[LLM, bool]:
        """The owner's engine, and whether it has just been started, in the place of another's."""
        if self._engine is not None and self._owner == owner:
            return self._engine, False
        self.leave(self._owner)
        self._owner, self._engine = owner, start()
        return self._engine, True

    def leave(self, owner: int | None) -> None:
        """Ends the engine of an owner, if it still has one."""
        if self._engine is not None and self._owner == owner:
            engine, self._engine = self._engine, None
            engine.llm_engine.engine_core.shutdown()


_PLACE = _Place()


class VllmGenerator:
    """Writes the responses of a policy.

    A process has one of them at work: where several take turns, each starts its engine again.

    Args:
        policy: What chooses. Its present weights, an adapter merged into its base, are copied to
            vLLM before it is used again.
        config: How to choose; `pass_tokens` also bounds a prompt with its response.

    Raises:
        GenerationError: vLLM is not installed, or cannot run the model, or the tokenizer has no
            token that ends a text.
    """

    tells_values = False

    def __init__(self, policy: LanguagePolicy, config: GenerationConfig) -> None:
        if _missing is not None:
            raise GenerationError(
                f"vLLM cannot be used here ({_missing}): pip install 'hiper-gym[agents,vllm]', or "
                "leave --generation.backend at transformers"
            ) from _missing
        self.policy = policy
        self.config = config
        self._longest = min(longest_row(policy), config.pass_tokens)
        self._rules = _Rules(Chooser(config.temperature), _end_of_text(policy))
        self._version: tuple[int, int] | None = None
        self._owner = next(_NUMBERS)
        self._numbers: set[int] = set()
        weakref.finalize(self, _PLACE.leave, self._owner)
        self._engine()

    @torch.no_grad()
    def respond(
        self,
        prompts: Sequence[Sequence[int]],
        states: Sequence[ResponseState],
        rng: Streams,
    ) -> list[TurnTokens]:
        """Writes a response to every prompt, see `Responder`."""
        try:
            return respond_with(self.stream(), prompts, states, rng)
        except BaseException:
            self._drop()
            raise

    def stream(self) -> VllmStream:
        """Writes responses as prompts come, see `Responder`."""
        return VllmStream(self)

    def refresh(self) -> None:
        """Has the weights copied again, see `Responder`."""
        self._version = None

    def submit(self, key: int, prompt: Sequence[int], state: ResponseState, draw: Draw) -> _Row:
        """Hands a prompt over to vLLM.

        Raises:
            GenerationError: It is empty or too long.
        """
        if not len(prompt):
            raise GenerationError("a prompt needs at least one token")
        row = _Row(key, prompt, state, None if self.config.greedy else draw, self._rules)
        if len(row.read) >= self._longest:
            raise self.too_long(row)
        number = next(_NUMBERS)
        settings = SamplingParams(
            temperature=0.0,
            max_tokens=self._longest - len(row.read),
            stop_token_ids=[self._rules.end],
            ignore_eos=True,
            detokenize=False,
            extra_args={_KEY: number},
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        tokens = TokensPrompt(prompt_token_ids=row.read)
        with self._guarded() as engine:
            engine.llm_engine.add_request(str(number), tokens, settings)
        self._numbers.add(number)
        _ROWS[number] = row
        return row

    @torch.no_grad()
    def step(self) -> None:
        """Has vLLM write a token of every row that it has."""
        with self._guarded() as engine:
            outputs = engine.llm_engine.step()
        for output in outputs:
            if output.finished:
                number = int(output.request_id)
                self._numbers.discard(number)
                _ROWS.pop(number).ended = True

    @contextmanager
    def _guarded(self) -> Iterator[LLM]:
        """The engine; it ends, with all rows that it has, if something goes wrong."""
        try:
            yield self._engine()
        except BaseException as error:
            self._drop()
            if isinstance(error, RuntimeError):
                raise _cannot_run(self.policy, error) from error
            raise

    def _engine(self) -> LLM:
        """The engine, with the weights that the policy has now.

        Raises:
            GenerationError: Another generator has taken its place meanwhile.
        """
        version = self.policy.weights_version
        if version != self._version:
            self._drop()  # nobody waits for what other weights have begun
        engine, is_new = _PLACE.take(
            self._owner, partial(_start, self.policy, self.config, self._longest)
        )
        if is_new and self._numbers:
            raise GenerationError("another generator took vLLM while responses were being written")
        if is_new or version != self._version:
            weights = _weights(self.policy)
            engine.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
            engine.reset_prefix_cache()
            self._version = version
        return engine

    def _drop(self) -> None:
        """Ends the engine if there are rows in it."""
        if self._numbers:
            _PLACE.leave(self._owner)
        for number in self._numbers:
            del _ROWS[number]
        self._numbers.clear()

    def too_long(self, row: _Row) -> GenerationError:
        """The error of a row that the model cannot read."""
        return GenerationError(
            f"a prompt of {len(row.prompt)} tokens does not fit with its response: here both have "
            f"{self._longest} (the model's limit, or --generation.pass-tokens)"
        )


class VllmStream:
    """Writes the responses of a policy; new prompts can join at any time.

    Args:
        generator: Has the engine.
    """

    def __init__(self, generator: VllmGenerator) -> None:
        self._generator = generator
        self._rows: list[_Row] = []

    def add(self, key: int, prompt: Sequence[int], state: ResponseState, draw: Draw) -> None:
        """Has a response written, see `responder.Stream`."""
        self._rows.append(self._generator.submit(key, prompt, state, draw))

    def advance(self) -> list[tuple[int, TurnTokens]]:
        """Writes a token of every response, see `responder.Stream`."""
        if not self._rows:
            return []
        self._generator.step()
        done = [row for row in self._rows if row.ended]
        self._rows = [row for row in self._rows if not row.ended]
        for row in done:
            if not row.state.finished:
                raise self._generator.too_long(row)
        return [(row.key, row.state.turn(row.prompt, row.log_probs)) for row in done]


def _start(policy: LanguagePolicy, config: GenerationConfig, longest: int) -> LLM:
    """An engine for the policy's architecture, with no weights yet."""
    on_cpu = policy.device.type == "cpu"
    with TemporaryDirectory(prefix="hiper-vllm-") as folder:
        _describe(policy, Path(folder))
        try:
            return LLM(
                folder,
                load_format="dummy",
                skip_tokenizer_init=True,
                generation_config="vllm",
                dtype=str(policy.compute_dtype).removeprefix("torch."),
                max_model_len=longest,
                max_num_seqs=config.max_batch,
                max_num_batched_tokens=config.pass_tokens,
                # A prompt is read as a whole, for logits of half of one decide nothing.
                enable_chunked_prefill=False,
                async_scheduling=False,
                enable_prefix_caching=True,
                kv_cache_memory_bytes=int(config.vllm_cache_gib * _GIB),
                gpu_memory_utilization=0.2,
                enforce_eager=on_cpu,
                logits_processors=[_Decider],
            )
        except (ValueError, RuntimeError, AssertionError, NotImplementedError) as error:
            raise _cannot_run(policy, error) from error


def _cannot_run(policy: LanguagePolicy, error: Exception) -> GenerationError:
    return GenerationError(f"vLLM cannot run {type(policy.model).__name__} here: {error}")


def _describe(policy: LanguagePolicy, folder: Path) -> None:
    """Writes what vLLM has to know of a model's shape."""
    config = copy.deepcopy(policy.model.config)
    # A tied output is not loaded again with the embeddings; a copy of its own is.
    config.get_text_config().tie_word_embeddings = False
    config.save_pretrained(folder)


def _weights(policy: LanguagePolicy) -> Iterator[tuple[str, Tensor]]:
    """The policy's weights now, tensor by tensor, the output among them."""
    names = set()
    for name, tensor in policy.merged_weights():
        names.add(name)
        yield name, tensor
    output = policy.model.get_output_embeddings()
    for name, tensor in policy.model.state_dict(keep_vars=True).items():
        if tensor is output.weight and name not in names:
            yield name, tensor.detach()


def _end_of_text(policy: LanguagePolicy) -> int:
    end = policy.tokenizer.eos_token_id
    if not isinstance(end, int):
        raise GenerationError(f"{type(policy.tokenizer).__name__} has no token that ends a text")
    return end
