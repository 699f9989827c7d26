"""Prompts: a turn as the token ids that a model reads, or as the messages that a server takes.

What a prompt says is the affair of `hiper_agents.llm.wording`. Here it is made to fit, put into the
model's chat template, and encoded. Only the template may write control tokens; texts from outside
stay texts.
This module knows no environment, and nothing of how responses are decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hiper_agents.llm.plain import PlainEncoder
from hiper_agents.llm.turns import TurnView
from hiper_agents.llm.wording import COMPACT, FULL, Wording
from hiper_base.errors import HiperError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PromptConfig", "PromptError", "PromptWriter", "fit", "wording_of"]

_WORDINGS: dict[str, Wording] = {"full": FULL, "compact": COMPACT}
# `compact` names an earlier turn in a few tokens, `full` repeats what was seen in it.
_HISTORY = {"full": 2, "compact": 50}
_CUT = " ... (cut)"
# Most lines have been seen before, and so have their tokens. Tokenizers keep what stands on two
# lines apart, but some join the line breaks between them.
_LINES = re.compile(r"[^\n]*\n+|[^\n]+")
# Stand for the two contents while a chat template is rendered.
_SYSTEM_MARK, _USER_MARK = "HIPERSYSTEMTEXT", "HIPERUSERTEXT"
_MARKS = re.compile(
    rf"((?:(?!HIPER).)*){_SYSTEM_MARK}((?:(?!HIPER).)*){_USER_MARK}((?:(?!HIPER).)*)", re.DOTALL
)
# Templates of models that can think aloud open the answer with an empty thought; some write the
# date, which would make prompts differ from day to day.
_TEMPLATE_ARGUMENTS: dict[str, Any] = {"enable_thinking": False, "date_string": "01 Jan 2026"}


class PromptError(HiperError):
    """A prompt cannot be written."""


@dataclass(frozen=True)
class PromptConfig:
    """What prompts look like.

    Attributes:
        template: `full` explains the format and shows texts as they are; `compact` says the same in
            a third of the tokens, for small models that are trained on it.
        history: Earlier turns that are shown at most; None for what suits the template: 2 in
            `full`, 50 in `compact`, which shows their actions only.
        max_tokens: Length of a whole prompt at most.
    """

    template: Literal["full", "compact"] = "full"
    history: int | None = None
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        if self.template not in _WORDINGS:
            raise PromptError(
                f"unknown template {self.template!r}: expected one of {', '.join(_WORDINGS)}"
            )
        if self.history is not None and self.history < 0:
            raise PromptError(f"history must not be negative, not {self.history}")
        if self.max_tokens < 1:
            raise PromptError(f"max_tokens must be positive, not {self.max_tokens}")

    @property
    def earlier_turns(self) -> int:
        """Earlier turns that are shown at most."""
        return _HISTORY[self.template] if self.history is None else self.history


class PromptWriter:
    """Writes prompts for one tokenizer.

    A prompt begins with `prefix` and ends where the response begins: after the generation prompt of
    the chat template, or after a line break where the tokenizer has no template. One that would be
    too long loses earlier turns first, oldest first; then admissible actions, of the most numerous
    verb first, and says how many; then the end of the observation, and says so. It never loses the
    task.

    Args:
        tokenizer: The model's.
        config: What prompts look like.

    Attributes:
        prefix: The tokens that all prompts begin with.

    Raises:
        PromptError: The chat template cannot be used, or the prefix alone is too long.

    Example:
        >>> from hiper_agents.llm.tiny import make_tiny
        >>> _, tokenizer = make_tiny()
        >>> writer = PromptWriter(tokenizer, PromptConfig(template="compact"))
        >>> ids = writer.write(TurnView("find a mug.", "A room.", "", 0, 0, ["look"]))
        >>> print(tokenizer.decode(ids[len(writer.prefix):]))
        Task: find a mug.
        A room.
        Actions:
        look<|im_end|>
        <|im_start|>assistant
        <BLANKLINE>
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, config: PromptConfig = PromptConfig()
    ) -> None:
        self.config = config
        self._wording = wording_of(config)
        self._plain = PlainEncoder(tokenizer)
        frame = _frame(tokenizer)
        self._has_system = frame.has_system
        self._suffix = frame.after
        self.prefix: tuple[int, ...] = (
            *frame.before,
            *self._plain(self._wording.system),
            *frame.between,
        )
        self._room = config.max_tokens - len(self.prefix) - len(self._suffix)
        if self._room < 1:
            raise PromptError(
                f"max_tokens={config.max_tokens} leaves nothing for a turn: what all prompts share "
                f"takes {len(self.prefix) + len(self._suffix)} tokens"
            )

    def write(self, view: TurnView, *, question: str = "") -> list[int]:
        """The whole prompt of a turn.

        Args:
            view: The turn.
            question: What to ask for at the end, a line with its line break, in place of a turn's
                answer.

        Raises:
            PromptError: The task alone does not fit.
        """
        ids = [*self.prefix]
        for segment in self._segments(view, question):
            for line in _LINES.findall(segment):
                ids += self._plain(line)
        ids += self._suffix
        return ids

    def messages(self, view: TurnView) -> list[dict[str, str]]:
        """The same as messages, for a server that applies the chat template itself.

        Raises:
            PromptError: The task alone does not fit.
        """
        user = "".join(self._segments(view))
        return as_messages(self._wording.system, user, has_system=self._has_system)

    def _segments(self, view: TurnView, question: str = "") -> list[str]:
        return fit(view, self.config, self._count, self._room, question)

    def _count(self, text: str) -> int:
        return sum(len(self._plain(line)) for line in _LINES.findall(text))


@dataclass(frozen=True)
class _Frame:
    """What a model wants around the instructions and the turn, as token ids."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    has_system: bool


def _frame(tokenizer: PreTrainedTokenizerBase) -> _Frame:
    """Takes the chat template apart; plain paragraphs where there is none."""

    def control(text: str) -> tuple[int, ...]:
        ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)
        return tuple(ids)

    if not tokenizer.chat_template:
        start = tokenizer.bos_token_id
        before: tuple[int, ...] = (
            (start,) if start is not None and tokenizer.encode("")[:1] == [start] else ()
        )
        return _Frame(before, control("\n\n"), control("\n"), has_system=False)
    reason: object = "it does not show the messages once each, in their order"
    for has_system in (True, False):  # some templates refuse instructions, some drop them
        messages = as_messages(_SYSTEM_MARK, _USER_MARK, has_system=has_system)
        try:
            text = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **_TEMPLATE_ARGUMENTS
            )
        except Exception as error:  # a template is a program of whoever made the model
            reason = error
            continue
        match = _MARKS.fullmatch(str(text))
        if match is not None:
            head, middle, tail = map(control, match.groups())
            return _Frame(head, middle, tail, has_system)
    raise PromptError(f"the chat template of this tokenizer cannot be used: {reason}")


def wording_of(config: PromptConfig) -> Wording:
    """The wording that a configuration names."""
    return _WORDINGS[config.template]


def as_messages(system: str, user: str, *, has_system: bool = True) -> list[dict[str, str]]:
    """A prompt as messages; one message for models without a place for instructions."""
    if not has_system:
        return [{"role": "user", "content": f"{system}\n\n{user}"}]
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def fit(
    view: TurnView,
    config: PromptConfig,
    count: Callable[[str], int],
    room: int,
    question: str = "",
) -> list[str]:
    """What a prompt says of a turn, shortened to fit.

    Args:
        view: The turn.
        config: Names the wording and the longest history.
        count: Tokens of a text.
        room: Tokens that the pieces may have together.
        question: What to say last; "" for what the wording says.

    Returns:
        Pieces of the text, in order, to be encoded one by one; together they do not end in a line
        break.

    Raises:
        PromptError: The task alone does not fit.
    """
    pieces: list[str] = []
    for pieces in _shorter_and_shorter(view, config, question):
        if sum(map(count, pieces)) <= room:
            return pieces
    shortest = sum(map(count, pieces))
    raise PromptError(
        f"a prompt of at most {config.max_tokens} tokens cannot hold the task: without history, "
        f"actions and observation it is {shortest - room} tokens too long ({view.task[:80]!r})"
    )


def _shorter_and_shorter(
    view: TurnView, config: PromptConfig, question: str
) -> Iterator[list[str]]:
    """Versions of a text in the order in which they are to be tried."""
    words = wording_of(config)
    observation, actions = words.observation(view)
    past = list(view.history[max(0, len(view.history) - config.earlier_turns) :])

    def pieces(skip: int, shown: Sequence[str], seen: str) -> list[str]:
        told = words.past(past[skip:], view.turn - len(past) + skip)
        hidden = len(actions) - len(shown)
        # What stays the same comes first: it need not be read again every turn.
        lines = [words.task(view), words.standing(view, shown, hidden), told, words.option(view)]
        lines += [f"{seen}\n", words.actions(view, shown, hidden), question or words.ending]
        lines = [line for line in lines if line.strip()]
        return [*lines[:-1], lines[-1].rstrip("\n")]

    for skip in range(len(past) + 1):
        yield pieces(skip, actions, observation)
    shown: Sequence[str] = actions
    for shown in _thinned(actions):
        yield pieces(len(past), shown, observation)
    length = len(observation)
    while length > 0:
        length = length * 7 // 8
        yield pieces(len(past), shown, observation[:length] + _CUT)
    yield pieces(len(past), (), _CUT)


def _thinned(actions: Sequence[str]) -> Iterator[list[str]]:
    """The list with fewer and fewer actions of the same verb, down to one of each."""
    kinds: dict[str, int] = {}
    rank: list[int] = []
    for action in actions:
        verb = action.split("[")[0].split(" ")[0]
        rank.append(kinds.get(verb, 0))
        kinds[verb] = rank[-1] + 1
    for most in range(max(kinds.values(), default=0) - 1, 0, -1):
        yield [action for action, place in zip(actions, rank, strict=True) if place < most]
