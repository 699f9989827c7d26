"""Which subtasks hold in a scene, and of what."""

from __future__ import annotations

from hiper_envs.alfworld.chain_progress import Binding, Scene, bind
from hiper_envs.alfworld.chains import Chain, parse_chain

CLEAN = {"mug 1": ["clean"]}


def chain(sentence: str) -> Chain:
    read = parse_chain(sentence)
    assert read is not None
    return read


TWO = chain("put a clean mug in a cabinet, then put an apple in the same cabinet.")
BOTH = chain("put a clean mug in a cabinet, then put another mug in the same cabinet.")
CHANGED = chain("put a mug in a cabinet, then clean the mug, then put another mug in a shelf.")
LAMP = chain("clean a mug, then look at the mug under the desklamp.")


def test_nothing_holds() -> None:
    where = {"mug 1": "cabinet 1", "apple 1": "shelf 1"}
    assert bind(TWO, Scene(where, {})) == Binding(("", ""), ("",), (False, False))
    assert bind(TWO, Scene({}, CLEAN, held="mug 1")).done == 0


def test_the_place_has_to_be_one() -> None:
    apart = Scene({"mug 1": "cabinet 1", "apple 1": "cabinet 2"}, CLEAN)
    assert bind(TWO, apart).done == 1
    together = Scene({"mug 1": "cabinet 2", "apple 1": "cabinet 2"}, CLEAN)
    assert bind(TWO, together) == Binding(("mug 1", "apple 1"), ("cabinet 2",), (True, True))


def test_a_place_is_one_where_something_is_as_it_should_be() -> None:
    """Here each mug is where the other one belongs; the clean one counts wherever it is."""
    swapped = chain(
        "clean a mug, then put the mug in a cabinet, then put another hot mug in a bed."
    )
    where = {"mug 1": "bed 1", "mug 2": "cabinet 1"}
    binding = bind(swapped, Scene(where, {"mug 1": ["clean"], "mug 2": ["heat"]}))
    assert binding == Binding(("mug 1", ""), ("", ""), (True, False, False))


def test_the_place_of_most_is_chosen() -> None:
    longer = chain(f"{TWO.sentence[:-1]}, then put a pan in the same cabinet.")
    where = {"mug 1": "cabinet 1", "apple 1": "cabinet 3", "pan 1": "cabinet 3"}
    binding = bind(longer, Scene(where, CLEAN))
    assert (binding.places, binding.holds) == (("cabinet 3",), (False, True, True))


def test_two_items_of_a_type_are_two_objects() -> None:
    one = Scene({"mug 1": "cabinet 1"}, CLEAN)
    assert bind(BOTH, one).done == 1
    two = Scene({"mug 1": "cabinet 1", "mug 2": "cabinet 1"}, CLEAN)
    assert bind(BOTH, two).items == ("mug 1", "mug 2")
    # The clean one may have any number.
    assert bind(BOTH, two._replace(done={"mug 2": ["clean"]})).items == ("mug 2", "mug 1")
    assert bind(BOTH, two._replace(done={})).done == 1


def test_a_change_of_an_earlier_item_is_one_of_that_item() -> None:
    where = {"mug 1": "shelf 1", "mug 2": "cabinet 1"}
    assert bind(CHANGED, Scene(where, CLEAN)).holds == (True, False, True)
    assert bind(CHANGED, Scene(where, {"mug 2": ["clean", "cool"]})).done == 3
    # In the hand it is still clean, but nowhere.
    assert bind(CHANGED, Scene({}, CLEAN, held="mug 1")).holds == (False, True, False)


def test_the_lamp_shines_on_what_is_held() -> None:
    scene = Scene({}, CLEAN, held="mug 1", lit={"desklamp"})
    assert bind(LAMP, scene).holds == (True, True)
    assert bind(LAMP, scene._replace(lit={"floorlamp"})).holds == (True, False)
    assert bind(LAMP, scene._replace(done={})).holds == (False, True)
    assert bind(LAMP, scene._replace(held="mug 2")).done == 1
