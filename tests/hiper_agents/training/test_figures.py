"""Pictures of training curves."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hiper_agents.training.figures import GRID_POINTS, band, training_curve
from hiper_base.errors import HiperError, MissingDependencyError

MakeRun = Callable[..., Path]


def test_writes_png_and_svg(make_run: MakeRun, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    runs = [
        make_run("hae0", 30, seed=0),
        make_run("hae1", 20, seed=1),
        make_run("gae0", 30, estimator="gae"),
        make_run("odd", 30, estimator="_my $x$"),
    ]
    out = tmp_path / "pictures" / "curve.png"
    png, svg = training_curve(runs, out, references={"random": 0.01, "expert": 0.98})
    assert (png, svg) == (out, out.with_suffix(".svg"))
    assert sorted(path.name for path in out.parent.iterdir()) == ["curve.png", "curve.svg"]
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert width >= 1500
    assert height >= 500
    drawing = svg.read_text()
    assert ElementTree.fromstring(drawing).tag.endswith("svg")
    for color in ("#2a78d6", "#d95926", "#1a9c6f"):
        assert color in drawing
    for text in ("hae, mean of 2 runs", "gae, 1 run", "random 1.0 %", "expert 98.0 %"):
        assert f"<!-- {text} -->" in drawing


def test_is_the_same_every_time(make_run: MakeRun, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    run = make_run(iterations=10)
    first = training_curve([run], tmp_path / "a", labels=["mine"])[1].read_bytes()
    assert training_curve([run], tmp_path / "b", labels=["mine"])[1].read_bytes() == first
    assert b"mine, 1 run" in first


def test_band_covers_what_all_runs_cover() -> None:
    long = (np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    late = (np.array([4.0, 8.0]), np.array([0.6, 1.0]))
    x, means, errors = band([long, late])
    assert (x[0], x[-1], len(x)) == (4.0, 8.0, GRID_POINTS)
    assert means[0] == pytest.approx(0.5)
    assert means[-1] == pytest.approx(0.9)
    # Of 0.4 and 0.6: the standard deviation is 0.2 / sqrt(2), over sqrt(2) runs.
    assert errors[0] == pytest.approx(0.1)


def test_band_of_one_run_has_no_error() -> None:
    _, means, errors = band([(np.array([1.0]), np.array([0.5]))])
    assert np.all(means == 0.5)
    assert np.all(errors == 0.0)


def test_band_without_a_common_range_is_empty() -> None:
    early = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    late = (np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert [len(part) for part in band([early, late])] == [0, 0, 0]


def test_mistakes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    out = tmp_path / "curve.png"
    with pytest.raises(HiperError, match="at least one run"):
        training_curve([], out)
    with pytest.raises(HiperError, match="2 labels do not fit 1 runs"):
        training_curve([run], out, labels=["a", "b"])
    with pytest.raises(HiperError, match="is not a folder"):
        training_curve([tmp_path / "nowhere"], out)
    (run / "metrics.jsonl").write_text('{"iteration": 1, "success": 0.5}\n')
    with pytest.raises(HiperError, match="no iteration with seconds, turns and success"):
        training_curve([run], out)
    assert not out.exists()


def test_without_matplotlib_it_names_the_extra(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"hiper-gym\[compact\]"):
        training_curve([make_run()], tmp_path / "curve.png")
