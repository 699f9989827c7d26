"""Agents, training, and evaluation for the environments of `hiper_envs`."""
