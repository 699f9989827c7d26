from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from hiper_agents.buffer import BufferFormatError, OptionRolloutBuffer, stable_key
from hiper_agents.estimators import UnknownEstimatorError, get_estimator, whiten

COLUMNS = list(OptionRolloutBuffer.__annotations__)


def turns(trajectory_id: Any, turn: Any, **columns: Any) -> dict[str, Any]:
    """Columns of some turns, 0 where nothing else is said."""
    rest = ("reward", "value_low", "value_high", "value_switch", "group_id", "state_key")
    flags = ("terminated", "truncated", "boundary")
    return {
        **dict.fromkeys(rest, 0),
        **dict.fromkeys(flags, False),
        "trajectory_id": trajectory_id,
        "turn": turn,
        **columns,
    }


def filled(seed: int, environments: int, steps: int, capacity: int = 4) -> OptionRolloutBuffer:
    """A rollout of some environments in step, with three adjacent blocks a response."""
    rng = np.random.default_rng(seed)
    buffer = OptionRolloutBuffer(capacity)
    for step in range(steps):
        cuts = np.sort(rng.integers(0, 12, size=(environments, 4)), axis=1)
        buffer.add(
            reward=rng.normal(size=environments),
            terminated=np.full(environments, step == steps - 1) & (rng.random(environments) < 0.5),
            truncated=step == steps - 1,
            boundary=rng.random(environments) < 0.4,
            value_low=rng.normal(size=environments),
            value_high=rng.normal(size=environments),
            value_switch=rng.normal(size=environments),
            trajectory_id=np.arange(environments),
            turn=step,
            group_id=np.arange(environments) // 2,
            state_key=rng.integers(-(2**63), 2**63 - 1, size=environments),
            switch_span=cuts[:, :2],
            subgoal_span=cuts[:, 1:3],
            action_span=cuts[:, 2:],
        )
    return buffer


def columns_of(buffer: OptionRolloutBuffer) -> dict[str, np.ndarray]:
    return {name: getattr(buffer, name)[: len(buffer)] for name in COLUMNS}


def test_rows_are_given_in_order_and_survive_growth() -> None:
    buffer = OptionRolloutBuffer(capacity=2)
    assert buffer.add(**turns([7, 8], 0, reward=[1.0, 2.0])) == slice(0, 2)
    assert buffer.add(**turns([7, 8, 9], [1, 1, 0], reward=3.0)) == slice(2, 5)
    assert (len(buffer), buffer.capacity) == (5, 8)
    batch = buffer.batch()
    assert batch.reward.tolist() == [1.0, 2.0, 3.0, 3.0, 3.0]
    assert batch.trajectory_id.tolist() == [7, 8, 7, 8, 9]
    assert buffer.switch_span[:5].tolist() == [[0, 0]] * 5


def test_a_batch_is_a_copy() -> None:
    buffer = OptionRolloutBuffer()
    buffer.add(**turns([1], 0, reward=5.0))
    batch = buffer.batch()
    buffer.clear()
    buffer.add(**turns([2], 0, reward=6.0))
    assert batch.reward.tolist() == [5.0]
    assert buffer.batch().trajectory_id.tolist() == [2]


def test_clear_keeps_the_capacity() -> None:
    buffer = filled(seed=0, environments=3, steps=5)
    capacity = buffer.capacity
    buffer.clear()
    assert (len(buffer), buffer.capacity) == (0, capacity)
    assert buffer.advantages("hae").low.shape == (0,)


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        (
            "reward",
            [1.0, 2.0, 3.0],
            ValueError,
            r"reward has shape \(3,\); expected \(2,\) or \(\)",
        ),
        ("reward", [0.0, np.nan], ValueError, "reward holds a value that is not finite"),
        ("terminated", 0.5, TypeError, "terminated must hold booleans, not float64"),
        ("state_key", ["a", "b"], TypeError, "state_key must hold integers"),
        ("trajectory_id", 3, ValueError, r"trajectory_id must be one-dimensional.*\(\)"),
        ("action_span", [[1, 2, 3]] * 2, ValueError, r"action_span has shape \(2, 3\)"),
        ("action_span", (5, 4), ValueError, r"action_span \(5, 4\) must be \(start, end\)"),
        ("switch_span", [[0, 1], [-1, 1]], ValueError, r"switch_span \(-1, 1\) must be"),
        ("action_span", (3, 9), ValueError, r"subgoal_span \(2, 4\) overlaps action_span \(3, 9\)"),
    ],
)
def test_what_add_refuses_changes_nothing(
    column: str, value: Any, error: type[Exception], message: str
) -> None:
    buffer = OptionRolloutBuffer()
    with pytest.raises(error, match=message):
        buffer.add(**{**turns([0, 1], 0, subgoal_span=(2, 4)), column: value})
    assert len(buffer) == 0


def test_whole_trajectories_are_demanded_by_the_batch() -> None:
    buffer = OptionRolloutBuffer()
    buffer.add(**turns([4, 4], [0, 2]))
    with pytest.raises(ValueError, match="trajectory 4 has a gap"):
        buffer.batch()


ANNOTATIONS: dict[str, Any] = {
    "strategy_id": ["a", "b", "a", "b"],
    "off_plan": [0, 0, 1, 0],
    "divergence": [0, 1, 2, 3],
    "q_value": [-1.0, 2.0, 0.5, 0.0],
}


def test_annotations_are_in_the_batch_until_the_buffer_is_cleared() -> None:
    buffer = filled(seed=6, environments=2, steps=2)
    assert buffer.batch().q_value is None
    q_value = np.array(ANNOTATIONS["q_value"])
    buffer.annotate(**{**ANNOTATIONS, "q_value": q_value})
    q_value[:] = 7.0
    batch = buffer.batch()
    for name, column in ANNOTATIONS.items():
        assert getattr(batch, name).tolist() == column
    assert batch.off_plan.dtype == np.bool_
    assert batch.divergence.dtype == np.float64
    batch.q_value[:] = 8.0
    buffer.annotate(off_plan=[True] * 4)
    assert buffer.batch().q_value.tolist() == ANNOTATIONS["q_value"]
    assert buffer.batch().off_plan.all()
    buffer.clear()
    assert buffer.batch().q_value is None


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        ("colour", [0, 0, 0, 0], TypeError, "no optional column colour; there are strategy_id, "),
        ("reward", [0, 0, 0, 0], TypeError, "there is no optional column reward"),
        ("divergence", [0.0, 1.0], ValueError, r"divergence has shape \(2,\); expected \(4,\)"),
        ("divergence", 1.0, ValueError, r"divergence has shape \(\); expected \(4,\)"),
        ("divergence", [0, 0, -1, 0], ValueError, "divergence holds a negative value"),
        ("q_value", [0, 0, np.nan, 0], ValueError, "q_value holds a value that is not finite"),
        ("off_plan", [0, 2, 0, 0], ValueError, "off_plan holds an integer other than 0 and 1"),
        ("strategy_id", [0.5] * 4, TypeError, "strategy_id must hold integers or strings"),
    ],
)
def test_what_annotate_refuses_changes_nothing(
    column: str, value: Any, error: type[Exception], message: str
) -> None:
    buffer = filled(seed=6, environments=2, steps=2)
    buffer.annotate(q_value=ANNOTATIONS["q_value"])
    with pytest.raises(error, match=message):
        buffer.annotate(**{"q_value": np.zeros(4), "off_plan": np.zeros(4, bool), column: value})
    assert buffer.batch().q_value.tolist() == ANNOTATIONS["q_value"]
    assert buffer.batch().off_plan is None


def test_turns_added_after_the_others_were_annotated(tmp_path: Path) -> None:
    buffer = filled(seed=6, environments=2, steps=2)
    buffer.annotate(q_value=ANNOTATIONS["q_value"])
    buffer.add(**turns([2], 0))
    message = "q_value was set for 4 turns, but the buffer now holds 5"
    with pytest.raises(ValueError, match=message):
        buffer.batch()
    with pytest.raises(ValueError, match=message):
        buffer.save(tmp_path / "rollout.npz")
    assert not list(tmp_path.iterdir())
    buffer.annotate(q_value=np.arange(5.0))
    assert buffer.batch().q_value.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_buffer_needs_room() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1"):
        OptionRolloutBuffer(0)


def test_advantages_are_those_of_the_estimator() -> None:
    buffer = filled(seed=1, environments=4, steps=6)
    batch = buffer.batch()
    expected = get_estimator("hae")(batch, gamma=0.9, lam_high=0.5)
    assert_array_equal(buffer.advantages("hae", gamma=0.9, lam_high=0.5).high, expected.high)
    by_function = buffer.advantages(get_estimator("hae"), gamma=0.9, lam_high=0.5, whiten=True)
    assert_array_equal(by_function.high, whiten(expected, batch).high)
    with pytest.raises(UnknownEstimatorError):
        buffer.advantages("nothing")
    with pytest.raises(TypeError, match="takes no gama"):
        buffer.advantages("hae", gama=1.0)


@pytest.fixture
def two_turns() -> OptionRolloutBuffer:
    """A boundary turn, and a KEEP turn that writes a subgoal all the same."""
    buffer = OptionRolloutBuffer()
    buffer.add(
        **turns(
            [0, 0],
            [0, 1],
            reward=[1.0, 2.0],
            terminated=[False, True],
            value_switch=[10.0, 20.0],
            value_high=[100.0, 0.0],
            switch_span=[[0, 1], [1, 2]],
            subgoal_span=[[1, 3], [2, 3]],
            action_span=[[4, 6], [3, 4]],
        )
    )
    return buffer


def test_tokens_take_the_advantage_of_their_block(two_turns: OptionRolloutBuffer) -> None:
    # One option: low 3, 2; high 3 - 100 = -97 at turn 0; switch 3 - 10 = -7, 2 - 20 = -18.
    values, mask = two_turns.token_advantages(two_turns.advantages("hae"))
    assert values.tolist() == [[-7.0, -97.0, -97.0, 0.0, 3.0, 3.0], [0.0, -18.0, 0.0, 2.0, 0, 0]]
    assert mask.astype(int).tolist() == [[1, 1, 1, 0, 1, 1], [0, 1, 0, 1, 0, 0]]


def test_a_flat_method_trains_every_block(two_turns: OptionRolloutBuffer) -> None:
    values, mask = two_turns.token_advantages(two_turns.advantages("gae"))
    assert values.tolist() == [[3.0, 3.0, 3.0, 0.0, 3.0, 3.0], [0.0, 2.0, 2.0, 2.0, 0.0, 0.0]]
    assert mask.astype(int).tolist() == [[1, 1, 1, 0, 1, 1], [0, 1, 1, 1, 0, 0]]


def test_rows_and_length_of_the_token_view(two_turns: OptionRolloutBuffer) -> None:
    advantages = two_turns.advantages("hae")
    one = two_turns.token_advantages(advantages, rows=np.array([1]))
    assert one.values.tolist() == [[0.0, -18.0, 0.0, 2.0]]
    cut = two_turns.token_advantages(advantages, rows=np.array([1, 0]), length=2)
    assert cut.values.tolist() == [[0.0, -18.0], [-7.0, -97.0]]
    assert two_turns.token_advantages(advantages, length=9).mask.shape == (2, 9)


def test_advantages_of_another_rollout_are_refused(two_turns: OptionRolloutBuffer) -> None:
    advantages = two_turns.advantages("hae")
    two_turns.add(**turns([1], 0))
    with pytest.raises(ValueError, match=r"\(2,\) advantages do not fit 3 turns"):
        two_turns.token_advantages(advantages)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 6), st.sampled_from(["gae", "hae"])
)
def test_the_token_view_equals_a_loop(seed: int, environments: int, steps: int, name: str) -> None:
    buffer = filled(seed, environments, steps)
    advantages = buffer.advantages(name, gamma=0.9)
    values, mask = buffer.token_advantages(advantages, length=13)
    for row in range(len(buffer)):
        expected: dict[int, float] = {}
        for token in range(*buffer.switch_span[row]):
            expected[token] = advantages.switch[row]
        if name == "gae" or buffer.boundary[row] or buffer.turn[row] == 0:
            for token in range(*buffer.subgoal_span[row]):
                expected[token] = advantages.high[row]
        for token in range(*buffer.action_span[row]):
            expected[token] = advantages.low[row]
        assert np.flatnonzero(mask[row]).tolist() == sorted(expected)
        assert values[row].tolist() == [expected.get(token, 0.0) for token in range(13)]


@given(st.integers(0, 40), st.integers(1, 15), st.booleans(), st.integers(0, 2**32 - 1))
def test_minibatches_visit_every_turn_once(n: int, size: int, drop: bool, seed: int) -> None:
    buffer = OptionRolloutBuffer()
    buffer.add(**turns(np.arange(n), 0))
    visits = [
        list(buffer.minibatches(size, np.random.default_rng(seed), drop_last=drop))
        for _ in range(2)
    ]
    rows = np.concatenate([*visits[0], np.zeros(0, dtype=int)])
    assert len(np.unique(rows)) == len(rows) == (n - n % size if drop else n)
    assert all(len(batch) == size for batch in visits[0][:-1])
    assert [batch.tolist() for batch in visits[0]] == [batch.tolist() for batch in visits[1]]


def test_a_minibatch_holds_something() -> None:
    with pytest.raises(ValueError, match="at least one turn, not 0"):
        next(OptionRolloutBuffer().minibatches(0, np.random.default_rng(0)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 9))
def test_save_and_load_give_the_same_rows(
    tmp_path: Path, seed: int, environments: int, steps: int
) -> None:
    buffer = filled(seed, environments, steps)
    path = tmp_path / "rollout"
    buffer.save(path)
    loaded = OptionRolloutBuffer.load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["rollout"]
    for name, column in columns_of(buffer).items():
        assert getattr(loaded, name).dtype == column.dtype
        assert_array_equal(getattr(loaded, name)[: len(loaded)], column)
    loaded.add(**turns([99], 0))
    assert len(loaded) == len(buffer) + 1


def test_annotations_are_saved(tmp_path: Path) -> None:
    buffer = filled(seed=7, environments=2, steps=2)
    buffer.annotate(**ANNOTATIONS)
    buffer.save(tmp_path / "rollout.npz")
    batch = OptionRolloutBuffer.load(tmp_path / "rollout.npz").batch()
    for name, column in ANNOTATIONS.items():
        assert getattr(batch, name).tolist() == column


def test_a_buffer_is_filled_with_the_columns_of_another() -> None:
    buffer = filled(seed=7, environments=2, steps=2)
    buffer.annotate(**ANNOTATIONS)
    columns = buffer.columns()
    other = filled(seed=3, environments=3, steps=4)
    other.fill(columns)
    assert other.columns().keys() == columns.keys() == {*COLUMNS, *ANNOTATIONS}
    for name, column in other.columns().items():
        assert_array_equal(column, columns[name])
    columns["reward"] += 1.0
    assert not np.array_equal(buffer.batch().reward, columns["reward"])
    del columns["reward"]
    with pytest.raises(TypeError, match="reward"):
        other.fill(columns)
    with pytest.raises(TypeError, match="no optional column colour"):
        other.fill({**buffer.columns(), "colour": [0] * len(buffer)})


def test_a_file_of_version_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rollout.npz"
    path.write_bytes(archive(**{**good_columns(), "format_version": 1}))
    loaded = OptionRolloutBuffer.load(path)
    assert_array_equal(loaded.batch().reward, good_columns()["reward"])
    assert loaded.batch().strategy_id is None


def test_saving_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rollout.npz"
    filled(seed=2, environments=2, steps=3).save(path)
    before = path.read_bytes()

    def full_disk(file: Any, **columns: Any) -> None:
        file.write(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space left"):
        filled(seed=3, environments=2, steps=3).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def archive(**columns: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def good_columns() -> dict[str, Any]:
    return {"format_version": 2, **columns_of(filled(seed=4, environments=2, steps=2))}


def without(name: str) -> dict[str, Any]:
    return {key: column for key, column in good_columns().items() if key != name}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rollout buffer"),
        (b"not an archive", "no rollout buffer"),
        (archive(**good_columns())[:-200], "no rollout buffer"),
        (archive(**without("format_version")), "format_version"),
        (archive(**without("action_span")), "columns"),
        (archive(**{**good_columns(), "format_version": 3}), "format version 3, not 1 to 2"),
        (archive(**{**good_columns(), "format_version": 1, "q_value": np.zeros(4)}), "columns"),
        (archive(**{**good_columns(), "q_value": np.zeros(3)}), "q_value has shape"),
        (archive(**{**good_columns(), "divergence": np.full(4, -1.0)}), "negative"),
        (archive(**{**good_columns(), "reward": np.zeros(3)}), "expected"),
        (archive(**{**good_columns(), "reward": np.array("a")}), "no rollout buffer"),
        (archive(**{**good_columns(), "reward": np.array([{}, {}])}), "no rollout buffer"),
    ],
)
def test_a_damaged_file_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rollout.npz"
    path.write_bytes(content)
    with pytest.raises(BufferFormatError, match=message):
        OptionRolloutBuffer.load(path)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    path = tmp_path / "rollout.npz"
    payload = np.array([Payload()] * 4, dtype=object)
    path.write_bytes(archive(**{**good_columns(), "reward": payload}))
    with pytest.raises(BufferFormatError):
        OptionRolloutBuffer.load(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OptionRolloutBuffer.load(tmp_path / "nothing.npz")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_is_reported_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(archive(**good_columns()))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "rollout.npz"
    path.write_bytes(content)
    with contextlib.suppress(BufferFormatError):
        assert len(OptionRolloutBuffer.load(path)) == 4


def test_saved_columns_can_be_read_by_plain_numpy(tmp_path: Path) -> None:
    path = tmp_path / "rollout.npz"
    filled(seed=5, environments=2, steps=2).save(path)
    with zipfile.ZipFile(path) as members:
        assert {name.removesuffix(".npy") for name in members.namelist()} == {
            *COLUMNS,
            "format_version",
        }


def test_keys_of_texts_are_stable() -> None:
    # BLAKE2b with a digest of 8 bytes, read as a signed big-endian number.
    assert stable_key("a") == 4681665781835383343
    assert stable_key("You are in a room.") != stable_key("You are in a room")
    buffer = OptionRolloutBuffer()
    buffer.add(**turns([0], 0, state_key=stable_key("a")))
    assert buffer.state_key[0] == stable_key("a")
