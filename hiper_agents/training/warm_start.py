"""An optional start from demonstrations: imitate the searching expert before learning from success.

The expert is the domain's, and sees what the agent sees. Where its action is not one
that its subgoal permits the agent, the agent's own choice is played and the expert plans anew. A
run that began like this says so in its settings and in its checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hiper_agents.compact.player import Decisions, Instruction, Player
from hiper_agents.compact.slot import parsed_subgoal
from hiper_agents.training.ppo import PPOConfig, imitate, make_optimizer
from hiper_envs.core import Episode, TaskSource

EPOCHS = 15
MINIBATCH = 256
LEARNING_RATE = 1e-3


def warm_start(
    player: Player,
    source: TaskSource,
    tasks: Sequence[int],
    rng: np.random.Generator,
    config: PPOConfig,
    *,
    max_turns: int,
) -> float:
    """Imitates one demonstration of each task; returns the mean loss of the last pass.

    The steps are an optimizer's of its own, and all of one size: what may have to be small while
    the agent learns from its own words is not too large for the expert's, and runs that differ in
    their step sizes begin with the same policy.
    """
    demonstrations = demonstrate(player, source, tasks, max_turns=max_turns)
    config = replace(
        config,
        minibatch=MINIBATCH,
        learning_rate=LEARNING_RATE,
        critic_learning_rate=LEARNING_RATE,
        word_learning_rate=LEARNING_RATE,
    )
    optimizer = make_optimizer(player.network, config)
    loss = float("nan")
    for _ in range(EPOCHS):
        loss = imitate(player.network, optimizer, demonstrations, rng, config)
    return loss


def demonstrate(
    player: Player, source: TaskSource, tasks: Sequence[int], *, max_turns: int
) -> Decisions:
    """Plays one episode of each task as the expert would; returns its choices.

    Raises:
        DomainError: If the expert wants what is not of the domain's vocabulary.
    """
    episodes = [Episode(source.open(task), max_turns) for task in tasks]
    slots = [player.open(episode.info, episode.observation) for episode in episodes]
    experts = [player.domain.oracle(episode.info) for episode in episodes]
    for expert, episode in zip(experts, episodes, strict=True):
        expert.observe(episode.observation, admissible=episode.info["admissible_actions"])
    history = []
    running = list(range(len(tasks)))
    while running:
        script = [
            Instruction(parsed_subgoal(player.domain, experts[i]), experts[i].expert_action)
            for i in running
        ]
        texts, decisions = player.act(
            [slots[i] for i in running], [episodes[i].info for i in running], None, script=script
        )
        history.append(decisions)
        for i, text in zip(running, texts, strict=True):
            observation, _, _, _, info = episodes[i].step(text)
            experts[i].observe(observation, info["action"], info["admissible_actions"])
            if not episodes[i].ended:
                slots[i].observe(observation, info)
        running = [i for i in running if not episodes[i].ended]
    return Decisions.concatenate(history)
