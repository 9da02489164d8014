"""The elite keeps the best different states, whatever the order they come in."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np

from qubo_backends._pt.elite import Elite

OFFERS = [(3.0, [0, 0]), (1.0, [0, 1]), (2.0, [1, 0]), (1.0, [0, 1])]


def test_the_best_different_states_are_kept_in_any_order() -> None:
    for order in itertools.permutations(OFFERS):
        elite = Elite(2)
        for energy, state in order:
            elite.offer(np.array(state, np.int8), energy)
        assert elite.energies == [1.0, 2.0]
        assert [state.tolist() for state in elite.states] == [[0, 1], [1, 0]]
        assert elite.best_energy == 1.0
        assert elite.bar == 2.0


def test_of_equal_states_the_first_stay() -> None:
    elite = Elite(1)
    for state in ([0, 1], [1, 0]):
        elite.offer(np.array(state, np.int8), 1.0)
    assert elite.states[0].tolist() == [0, 1]


def test_an_elite_with_room_takes_everything() -> None:
    elite = Elite(3)
    assert elite.best_energy == elite.bar == math.inf
    elite.offer(np.array([1], np.int8), 5.0)
    assert (len(elite), elite.best_energy, elite.bar) == (1, 5.0, math.inf)


def test_states_are_copied() -> None:
    elite, state = Elite(1), np.zeros(2, np.int8)
    elite.offer(state, 1.0)
    state[:] = 1
    assert elite.states[0].tolist() == [0, 0]


def test_merging_is_offering_all() -> None:
    one, other = Elite(2), Elite(2)
    one.offer(np.array([0], np.int8), 1.0)
    other.offer(np.array([0], np.int8), 1.0)
    other.offer(np.array([1], np.int8), 0.5)
    one.merge(other)
    assert one.energies == [0.5, 1.0]


def _calls(offers: int) -> int:
    """Function calls that so many offers to an elite with room for all of them take."""
    elite, count = Elite(offers), 0
    states = (np.arange(offers)[:, None] >> np.arange(12) & 1).astype(np.int8)

    def on_event(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event.endswith("call")

    sys.setprofile(on_event)
    try:
        for number, state in enumerate(states):
            elite.offer(state, float(-number))
    finally:
        sys.setprofile(None)
    assert len(elite) == offers
    return count


def test_the_work_of_an_offer_does_not_grow_with_the_elite() -> None:
    assert _calls(2000) < 11 * _calls(200)
