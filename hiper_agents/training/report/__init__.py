"""The report of a training run: one self-contained HTML page, written from the run folder."""

from hiper_agents.training.report.page import write_report

__all__ = ["write_report"]
