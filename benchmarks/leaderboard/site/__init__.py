"""A static site of study folders: a ranking for every panel, and a page for every run."""

from benchmarks.leaderboard.site.page import INDEX_FILE, RUNS_FOLDER, render_site

__all__ = ["INDEX_FILE", "RUNS_FOLDER", "render_site"]
