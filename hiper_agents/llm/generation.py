"""`Generator`: the model itself writes responses.

How that is done is in `streaming`. The module knows nothing of prompts, of what the format is, or
of learning.
"""

from __future__ import annotations

from collections.abc import Sequence

from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.responder import GenerationConfig, respond_with
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import Streams
from hiper_agents.llm.streaming import ResponseStream
from hiper_agents.llm.turns import TurnTokens

__all__ = ["Generator"]


class Generator:
    """Writes the responses of a policy.

    Args:
        policy: What chooses. A critic of its own is not asked: all values are 0 then.
        config: How to choose.
        prefix: Tokens that prompts begin with. Prompts that share less of it only cost more.

    Raises:
        GenerationError: The model's layers need another cache than one of keys and values.
    """

    def __init__(
        self,
        policy: LanguagePolicy,
        config: GenerationConfig = GenerationConfig(),
        *,
        prefix: Sequence[int] = (),
    ) -> None:
        self.policy = policy
        self.config = config
        self._prefix = prefix
        self._responses = ResponseStream(policy, config, prefix)

    @property
    def tells_values(self) -> bool:
        """Whether turns come with values: those of a critic on the policy's trunk."""
        return self.policy.has_trunk_critic

    def respond(
        self,
        prompts: Sequence[Sequence[int]],
        states: Sequence[ResponseState],
        rng: Streams,
    ) -> list[TurnTokens]:
        """Writes a response to every prompt, see `Responder`."""
        try:
            return respond_with(self._responses, prompts, states, rng)
        except BaseException:
            self._responses.forget()
            raise

    def stream(self) -> ResponseStream:
        """Writes responses as prompts come, see `Responder`."""
        return ResponseStream(self.policy, self.config, self._prefix)

    def refresh(self) -> None:
        """Forgets what was computed of prompts, which also frees its memory; see `Responder`."""
        self._responses.forget()
