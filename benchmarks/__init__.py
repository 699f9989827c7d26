"""Measurements of the package, each run as ``python -m benchmarks.<name>``.

Every benchmark writes one JSON file under ``benchmarks/results`` through
:mod:`benchmarks.recording`, so that each published figure comes with the command, the versions and
the machine that made it.
"""
