"""What QAOA returns is of the model it was asked, and drawn."""

from __future__ import annotations

import json
from collections.abc import Callable

import dimod
import pytest

from qubo_backends.qaoa import QaoaBackend
from qubo_dnn.backend import make_options
from qubo_dnn.errors import OptionError
from qubo_dnn.registry import get_backend

RandomBqm = Callable[..., dimod.BinaryQuadraticModel]
BACKEND = QaoaBackend()


def test_the_expectation_is_that_of_the_model(random_bqm: RandomBqm) -> None:
    bqm = random_bqm(5, 7)
    found = BACKEND.sample(bqm, make_options(BACKEND, {"num_reads": 50_000, "seed": 1, "depth": 2}))
    assert found.info["expected_energy"] == pytest.approx(
        found.record.energy.mean(), abs=5 * found.record.energy.std() / 220
    )
    assert found.info["expected_energy"] == min(found.info["convergence"])
    assert found.info["evaluations"] == len(found.info["convergence"]) == 100


@pytest.mark.parametrize(
    "values",
    [
        {"initial_angles": "0.1,0.2;-0.1"},
        {"initial_angles": "0.1;-0.1"},
        {"initial_angles": "0.1"},
        {"cvar": "0"},
        {"depth": "0"},
        {"optimizer": "SGD"},
        {"ramp": "-1"},
    ],
)
def test_bad_options_are_refused(random_bqm: RandomBqm, values: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        BACKEND.sample(random_bqm(3, 1), make_options(BACKEND, values))
    with pytest.raises(OptionError, match="exact, aer, mps, noisy, ibm"):
        get_backend("qaoa:hardware")


def test_pictures_show_what_info_has(random_bqm: RandomBqm) -> None:
    info = BACKEND.sample(random_bqm(5, 2), make_options(BACKEND, {"seed": 1})).info
    read_back = json.loads(json.dumps(info))
    drawn = BACKEND.pictures(read_back)
    assert [each.name for each in drawn] == ["convergence", "angles", "energies", "circuit"]
    assert sum(info["distribution"]["measured"]) == pytest.approx(1.0)
    assert sum(info["distribution"]["random"]) == pytest.approx(1.0)
    gates = {series.name: series for series in drawn[-1].series}
    assert len(gates["rzz"].x) == 3 * 10
    assert len(gates["h"].x) == 5
    assert BACKEND.pictures({}) == []
