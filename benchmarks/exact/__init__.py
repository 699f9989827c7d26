"""Small decision processes on which every estimator's bias and variance can be measured.

The true policy gradient is computed, not sampled; see `benchmarks/exact_study.py`.
"""
