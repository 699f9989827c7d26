"""The language-model HiPER agent: prompts, constrained decoding, rollouts and learning."""
