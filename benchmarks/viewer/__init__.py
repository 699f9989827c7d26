"""The trajectory viewer: one self-contained HTML page of a study or a training run, or of two."""

from benchmarks.viewer.page import render_view, write_view

__all__ = ["render_view", "write_view"]
