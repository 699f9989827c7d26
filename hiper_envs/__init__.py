"""Long-horizon text tasks with subgoals in the Gymnasium API."""
