"""WebShop as Gymnasium environments, single and vectorised.

This module puts tasks and the hierarchical protocol together. It knows nothing of the shop's pages,
of scores, nor of the files' format.
"""

from __future__ import annotations

from pathlib import Path

from gymnasium.vector import AutoresetMode

from hiper_envs.core import HierarchicalTextEnv
from hiper_envs.vector import TextVectorEnv
from hiper_envs.webshop.tasks import NounTagger, open_tasks

__all__ = ["WebshopEnv", "WebshopVectorEnv"]


class WebshopEnv(HierarchicalTextEnv):
    """WebShop: find and buy what an instruction asks for, with subgoals in ``info``.

    Actions are ``search[<query>]`` and ``click[<clickable>]``. The reward is the score of the
    purchase, in [0, 1], and the last ``info`` has its parts: ``r_type``, ``r_att``, ``r_option``
    (None for a goal without options), ``r_price``, ``title_score``, ``matched_attributes``,
    ``matched_options``, and ``purchased`` and ``noun_tagger``. The task type is the department of
    the wanted product.

    Args:
        split: "train", "test" or "generated". By default "train", or "generated" where no data is
            installed, with a warning that says so.
        goals: "synthetic" or "human".
        observation_mode: "text" or "text_rich", upstream's two text modes.
        show_attributes: Whether items have the sub page `Attributes`.
        noun_tagger: Finds the nouns of titles for the reward: "spacy" (what the published scores
            use), "textblob", a function from a title to its lower-case nouns, or None for spaCy
            where its model is installed, else TextBlob.
        data_root: Where the data lies; by default ``$HIPER_DATA``, else the user cache directory.
        generated_products: Size of the catalogue of split "generated".
        reference: Whether ``info`` also holds the oracle's plan.
        max_turns: Number of steps after which an episode is truncated.
        render_mode: None, or "ansi".

    Raises:
        UnknownSplitError: If there is no such split.
        DataNotFoundError: If ``split`` was given and its data is not installed.
        DataError: If the data is damaged.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> env = gym.make("HiPER-WebShop-v0", split="generated")
        >>> observation, info = env.reset(seed=0)
        >>> info["admissible_actions"]
        ('search[<your query>]',)
        >>> observation, reward, terminated, truncated, info = env.step("search[red shirt]")
        >>> info["action_valid"], info["admissible_actions"][0]
        (True, 'click[back to search]')
    """

    def __init__(
        self,
        split: str | None = None,
        goals: str = "synthetic",
        observation_mode: str = "text",
        show_attributes: bool = False,
        noun_tagger: NounTagger = None,
        data_root: str | Path | None = None,
        generated_products: int = 1000,
        reference: bool = False,
        max_turns: int = 50,
        render_mode: str | None = None,
    ) -> None:
        tasks = open_tasks(
            split,
            goals,
            observation_mode=observation_mode,
            show_attributes=show_attributes,
            noun_tagger=noun_tagger,
            data_root=data_root,
            generated_products=generated_products,
            reference=reference,
        )
        super().__init__(tasks, max_turns=max_turns, render_mode=render_mode)
        # The split that was found, so that a copy in another process does not look for data again.
        self._constructor_kwargs = {
            "split": tasks.split,
            "goals": goals,
            "observation_mode": observation_mode,
            "show_attributes": show_attributes,
            "noun_tagger": noun_tagger,
            "data_root": data_root,
            "generated_products": generated_products,
            "reference": reference,
            "max_turns": max_turns,
            "render_mode": render_mode,
        }


class WebshopVectorEnv(TextVectorEnv):
    """Many WebShop tasks in one process; what ``gym.make_vec`` gives by default.

    Args:
        num_envs: Number of environments.
        split: As for :class:`WebshopEnv`, like the following ones.
        goals: "synthetic" or "human".
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
        noun_tagger: Finds the nouns of titles.
        data_root: Where the data lies.
        generated_products: Size of the catalogue of split "generated".
        reference: Whether ``infos`` also hold the oracle's plan.
        max_turns: Number of steps after which an episode is truncated.
        max_episode_steps: A second bound on that number, as ``gym.make_vec`` passes it.
        autoreset_mode: See :class:`~hiper_envs.vector.TextVectorEnv`.
        render_mode: None, or "ansi".

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> envs = gym.make_vec("HiPER-WebShop-v0", num_envs=3, split="generated")
        >>> observations, infos = envs.reset(seed=0)
        >>> observations, rewards, terminated, truncated, infos = envs.step(["search[shirt]"] * 3)
        >>> infos["action_valid"].tolist(), infos["score"].tolist()
        ([True, True, True], [0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        num_envs: int = 1,
        split: str | None = None,
        goals: str = "synthetic",
        observation_mode: str = "text",
        show_attributes: bool = False,
        noun_tagger: NounTagger = None,
        data_root: str | Path | None = None,
        generated_products: int = 1000,
        reference: bool = False,
        max_turns: int = 50,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        tasks = open_tasks(
            split,
            goals,
            observation_mode=observation_mode,
            show_attributes=show_attributes,
            noun_tagger=noun_tagger,
            data_root=data_root,
            generated_products=generated_products,
            reference=reference,
        )
        super().__init__(
            tasks,
            num_envs,
            max_turns=max_turns,
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
