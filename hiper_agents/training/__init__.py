"""Training: collecting rollouts, updating the policy, checkpoints, progress and reports."""
