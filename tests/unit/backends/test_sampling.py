"""Order, seed, clock and interrupts, as all built-in backends have them."""

from __future__ import annotations

import signal
import threading
from typing import Any

import dimod
import numpy as np
import pytest

from qubo_backends._shared.sampling import (
    FloatPair,
    InterruptGuard,
    answer,
    drawn_seed,
    indexed,
    natural_order,
    typed_options,
)
from qubo_backends.neal import NealBackend, NealOptions
from qubo_dnn.backend import SolveOptions
from qubo_dnn.errors import OptionError


def test_options_must_be_of_the_backends_own_type() -> None:
    assert typed_options(NealBackend(), NealOptions(num_sweeps=3), NealOptions).num_sweeps == 3
    with pytest.raises(OptionError, match="'neal' needs NealOptions, not SolveOptions"):
        typed_options(NealBackend(), SolveOptions(), NealOptions)


@pytest.mark.parametrize("given", ["0.5,8", " 0.5, 8 ", (0.5, 8), [0.5, 8]])
def test_pairs_are_read_from_text_and_from_sequences(given: Any) -> None:
    class Options(SolveOptions):
        pair: FloatPair

    assert Options(pair=given).pair == (0.5, 8.0)


@pytest.mark.parametrize("given", ["1", "1,2,3", "a,b", "1,inf", ""])
def test_malformed_pairs_are_refused(given: Any) -> None:
    class Options(SolveOptions):
        pair: FloatPair

    with pytest.raises(ValueError, match="pair"):
        Options(pair=given)


def test_variables_come_in_natural_order() -> None:
    bqm = dimod.BinaryQuadraticModel(dict.fromkeys(["x[10]", ("b", 1), "x[2]", 5], 1.0), {}, 0.0, "BINARY")
    assert natural_order(bqm) == [5, "x[2]", "x[10]", ("b", 1)]


@pytest.mark.parametrize("kind", [dimod.BinaryQuadraticModel, dimod.Float32BQM, dimod.DictBQM])
@pytest.mark.parametrize("labels", [[2, 3, 10], [10, 2, 3], ["x[2]", "x[3]", "x[10]"], ["x[10]", "x[3]", "x[2]"]])
@pytest.mark.parametrize(("vartype", "other"), [("SPIN", "BINARY"), ("BINARY", "SPIN")])
def test_indexed_copies_are_the_same_model(kind: type, labels: list[object], vartype: str, other: str) -> None:
    bqm = kind({v: i + 0.5 for i, v in enumerate(labels)}, {(labels[0], labels[2]): 3.0}, 0.25, vartype)
    before = bqm.copy()
    for to in (vartype, other):
        copy = indexed(bqm, dimod.as_vartype(to))
        assert list(copy.variables) == [0, 1, 2]
        assert copy.dtype == np.float64
        back = copy.change_vartype(vartype, inplace=False).relabel_variables(dict(enumerate(natural_order(bqm))))
        assert back.is_almost_equal(bqm)
    assert bqm == before


def test_indexed_copies_do_not_depend_on_the_order_of_the_original_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    pairs = [(i, j, rng.normal()) for i in range(30) for j in range(i)]
    models = []
    for order in (range(30), range(29, -1, -1)):
        bqm = dimod.BinaryQuadraticModel(dict.fromkeys(order, 0.1), {}, 0.0, "BINARY")
        bqm.add_quadratic_from(pairs)
        models.append(indexed(bqm, dimod.SPIN).to_numpy_vectors())
    np.testing.assert_array_equal(models[0].linear_biases, models[1].linear_biases)
    for one, other in zip(models[0].quadratic, models[1].quadratic, strict=True):
        np.testing.assert_array_equal(one, other)


def test_seeds_are_kept_or_drawn_afresh() -> None:
    assert drawn_seed(SolveOptions(seed=0)) == 0
    drawn = {drawn_seed(SolveOptions()) for _ in range(20)}
    assert len(drawn) > 1
    assert all(0 <= seed < 2**32 for seed in drawn)


@pytest.mark.parametrize("kind", [dimod.BinaryQuadraticModel, dimod.Float32BQM, dimod.DictBQM])
def test_answers_carry_the_energies_of_the_callers_model_in_float64(kind: type) -> None:
    bqm = kind({"a": 0.1, "b": 3.0}, {"ab": -0.7}, 2.0, "SPIN")
    found = answer(bqm, ["b", "a"], np.array([[0, 1], [1, 1]]), {"seed": 4})
    assert [dict(row) for row in found.samples(sorted_by=None)] == [{"b": -1, "a": 1}, {"b": 1, "a": 1}]
    assert found.record.energy.dtype == np.float64
    assert found.record.energy == pytest.approx([bqm.energy({"b": -1, "a": 1}), bqm.energy({"b": 1, "a": 1})])
    assert found.info == {"seed": 4}


def test_the_watch_holds_back_one_interrupt_and_lets_the_second_through() -> None:
    with InterruptGuard(None) as watch:
        assert not watch.over
        signal.raise_signal(signal.SIGINT)
        assert watch.interrupted
        assert watch.over
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_watch_ends_at_its_time_limit() -> None:
    assert InterruptGuard(1e-9).over
    assert not InterruptGuard(1e9).over
    assert InterruptGuard(1e9).seconds_left < 1e9


def test_the_watch_works_in_other_threads() -> None:
    seen = []

    def work() -> None:
        with InterruptGuard(None) as watch:
            seen.append(watch.over)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
