"""The compact HiPER agent: a small network trained from scratch on a CPU."""
