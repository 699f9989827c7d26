"""The page on estimators: its Python runs, and its table says what is declared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.estimator_cost import CostArgs
from hiper_agents.estimators import get_estimator

PAGE = (Path(__file__).parents[3] / "docs/estimators.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells
    for cells in re.findall(
        r"^\| (`\w+`) \| .+? \| (\w+) \| (\d+)(.*?) \| (yes|no) \| (.*?) ?\|", PAGE, re.MULTILINE
    )
}


def test_the_blocks_run_one_after_the_other() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    promises = re.findall(r"# (\[.*\])$", "\n".join(blocks), re.MULTILINE)
    assert promises
    for promised in promises:
        assert promised in done.stdout


def test_every_estimator_has_a_row() -> None:
    assert set(ROWS) == set(CostArgs().estimators)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_says_what_is_declared(name: str) -> None:
    _, heads, group, strategies, critic, columns = ROWS[name]
    estimator = get_estimator(name)
    assert (heads == "one") == estimator.flat
    assert int(group) == estimator.needs.group_size
    assert (critic == "yes") == estimator.needs.critic
    assert tuple(re.findall(r"`(\w+)`", columns)) == estimator.needs.columns
    number = re.search(r"= (\d+) strategies", strategies)
    assert (int(number[1]) if number else 1) == estimator.needs.strategies
