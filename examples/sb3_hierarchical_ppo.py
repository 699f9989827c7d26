"""Stable-Baselines3 learns ALFWorld: generated games, PPO with options, one CPU core.

    pip install "hiper-gym[sb3]"
    python examples/sb3_hierarchical_ppo.py --steps 200000

With `--options reference`, the default, an oracle says which subgoal to pursue ("find a mug", "heat
the mug"), and what is learned is how: where to search, what to open, when to act. With `--options
learned` the agent also decides when to switch and what to want, which takes many more steps.
SB3's own log shows `rollout/success_rate`; at the end one game is played with the learned policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gymnasium as gym
import torch
import tyro
from rich.console import Console
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import hiper_envs  # noqa: F401  (registers the environments)
from hiper_agents.integrations.sb3 import HierarchicalPPO, NumericFeatures


@dataclass(frozen=True)
class Args:
    """Learn ALFWorld's generated games with Stable-Baselines3."""

    steps: int = 200_000
    """Steps of all environments together."""
    options: Literal["none", "reference", "learned"] = "reference"
    """Where options come from; see `NumericFeatures`."""
    estimator: str = "hae"
    """Where advantages come from; with gae and plain actions this is SB3's PPO."""
    seed: int = 0
    """Seed of games, network and play."""
    out: Path = Path("runs/sb3")
    """Where the model and TensorBoard's files go."""


def main(args: Args) -> None:
    """Learns, evaluates, saves, and plays a game."""
    torch.set_num_threads(1)

    def make_env() -> gym.Env:
        env = gym.make(
            "HiPER-ALFWorld-v0", split="generated", reference=args.options == "reference"
        )
        return NumericFeatures(env, args.options, max_actions=48)

    model = HierarchicalPPO(
        "CandidatePolicy",
        make_vec_env(make_env, n_envs=16, seed=args.seed),
        learning_rate=1e-3,
        n_steps=256,
        batch_size=512,
        n_epochs=4,
        ent_coef=0.01,
        estimator=args.estimator,
        policy_kwargs={"share_features_extractor": False},
        tensorboard_log=str(args.out),
        seed=args.seed,
        device="cpu",
        verbose=1,
    )
    model.learn(args.steps, log_interval=4)
    model.save(args.out / "model")

    console = Console()
    games = make_vec_env(make_env, n_envs=4, seed=args.seed + 1000)
    for mode, deterministic in (("sampled", False), ("greedy", True)):
        success, _ = evaluate_policy(model, games, 200, deterministic=deterministic)
        console.print(f"{mode}: {success:.1%} of 200 games solved")
    play(model, make_env(), console)


def play(model: HierarchicalPPO, env: gym.Env, console: Console) -> None:
    """Shows one game."""
    observation, info = env.reset(seed=1)
    console.print(f"\nTask: {info['task']}")
    ended = False
    while not ended:
        action, _ = model.predict(observation)
        observation, _, terminated, truncated, info = env.step(action)
        if info["option_boundary"]:
            console.print(f"[bold]{info['subgoal'] or 'no subgoal'}[/bold]")
        console.print(f"  {info['action']}")
        ended = terminated or truncated
    console.print("solved" if info["won"] else "not solved")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
