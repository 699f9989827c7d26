"""Which turns leave the strategy of their episode, as the policy itself judges.

For StraTA (arXiv 2605.06642), which has its agent judge its own turns. The prompt of a turn is told
again, with the action that was taken and a question at its end; the turn leaves its strategy if No
is a likelier answer than Yes. It is the policy's frozen start that judges: what is trained would
learn to acquit itself. How good its judgement is, nothing here knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.reading import hidden_states, micro_batches
from hiper_agents.llm.turns import TurnTokens, TurnView
from hiper_agents.llm.vocabulary import Vocabulary
from hiper_base.errors import HiperError
from hiper_envs.tags import parse

__all__ = ["PlanJudge"]

_ANSWERS = (("Yes", "yes"), ("No", "no"))
_QUESTION = "You chose: {action}. Does that follow the strategy? Answer Yes or No.\n"


class PlanJudge:
    """Judges turns.

    Args:
        policy: Its frozen start judges.
        writer: Writes the prompts.
        max_tokens: Tokens in a pass; fewer where memory does not suffice.

    Raises:
        HiperError: The tokenizer begins both answers alike.
    """

    def __init__(self, policy: LanguagePolicy, writer: PromptWriter, max_tokens: int) -> None:
        self._policy, self._writer, self._max_tokens = policy, writer, max_tokens
        vocabulary = Vocabulary(policy.tokenizer)
        yes, no = ({vocabulary.encode(word)[0] for word in words} for words in _ANSWERS)
        if yes & no:
            raise HiperError("this tokenizer cannot tell Yes from No by their first tokens")
        self._answers = [torch.tensor(sorted(ids)) for ids in (yes, no)]

    def question(self, shown: TurnView, turn: TurnTokens) -> TurnTokens | None:
        """What the policy is asked about a turn: a prompt without a response.

        Args:
            shown: What the prompt of the turn told, the strategy among it.
            turn: What was written.

        Returns:
            None if it has no action to judge.

        Raises:
            PromptError: The task alone does not fit.
        """
        action = " ".join(parse(turn.text).action.split())
        if not action:
            return None
        prompt = self._writer.write(shown, question=_QUESTION.format(action=action))
        return replace(turn, prompt=np.array(prompt, np.int32), response=turn.response[:0])

    def judge(self, questions: Sequence[TurnTokens | None]) -> NDArray[np.bool_]:
        """Which turns leave their strategies, bool [turns]; one without an action leaves none.

        Raises:
            DeviceMemoryError: Not even a single question fits into memory.
        """
        asked = [row for row, question in enumerate(questions) if question is not None]
        prompts = [question for question in questions if question is not None]
        found = np.zeros(len(questions), np.bool_)
        # Also for nothing: processes that share the weights gather them together.
        with self._policy.reference():
            if prompts:
                found[asked] = TokenBudget(self._max_tokens).run(
                    lambda tokens: self._leaves(prompts, tokens), longest=max(map(len, prompts))
                )
        return found

    @torch.no_grad()
    def _leaves(self, prompts: Sequence[TurnTokens], tokens: int) -> NDArray[np.bool_]:
        found = np.zeros(len(prompts), np.bool_)
        for rows in micro_batches(self._policy, prompts, tokens):
            few = [prompts[row] for row in rows]
            ends = torch.tensor([len(prompt) - 1 for prompt in few])
            hidden = hidden_states(self._policy, few)
            logits = self._policy.logits(hidden[torch.arange(len(few)), ends]).float()
            yes, no = (logits[:, ids.to(logits.device)].logsumexp(1) for ids in self._answers)
            found[rows] = (no > yes).cpu().numpy()
        return found
