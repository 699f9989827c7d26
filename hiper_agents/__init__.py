"""Agents for the hierarchical text environments of `hiper_envs`, and the means to train them.

The agent protocol with its plug-ins, the rollout buffer, the advantage estimators, training, and
the `hiper` command. Importing this package loads none of them.
"""
