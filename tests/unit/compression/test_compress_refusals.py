"""What `compress` refuses, each with one clear error, before anything is measured."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from qubo_backends.neal import NealBackend
from qubo_dnn.backend import Capabilities
from qubo_dnn.compression.compress import Compressor
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import SquaredError
from qubo_dnn.compression.settings import CompressionSettings
from qubo_dnn.compression.task.budgets import parse_budget
from qubo_dnn.compression.task.cost_tables import CostTable
from qubo_dnn.compression.task.layer_rules import Rules
from qubo_dnn.compression.task.options import Option, bit_widths, parse_options
from qubo_dnn.compression.task.task import check_compression
from qubo_dnn.errors import (
    BudgetError,
    DataError,
    FileFormatError,
    FormulationError,
    ModelError,
    OptionError,
    UnsupportedProblemError,
)
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend, get_formulation
from tests.unit.compression.conftest import Tiny

AQC: dict[str, Any] = {"formulation": "aqc-pruning-quantization"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("2,4,2", "at least two different ones, not 2, 4, 2"),
        ("4@50%,4@50%", "at least two different ones, not 4@50%, 4@50%"),
        ("4", "at least two different ones, not 4"),
    ],
)
def test_options(tiny: Tiny, options: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        tiny.compress(options=parse_options(options))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"granularity": "filter"}, "granularity 'filter'"),
        ({"recovery": "atuo"}, "unknown recovery 'atuo'.*did you mean 'auto'"),
        ({"rounds": 0}, "rounds must be at least 1, not 0"),
        ({"rerank": 0}, "rerank must be at least 1, not 0"),
        ({"probes": 0}, "probes must be at least 1, not 0"),
        ({"probes": 10**22}, "probes must be at most 1,000,000, not 1"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"held_out": 0.0}, "held-out share must be within 0 and 1, not 0.0"),
        ({"held_out": 1.0}, "held-out share must be within 0 and 1, not 1.0"),
        ({"held_out": float("nan")}, "held-out share must be within 0 and 1, not nan"),
        ({"backend_options": {"num_reeds": 3}}, "did you mean 'num_reads'"),
        ({"backend_options": {"num_reads": 0}}, "option num_reads"),
        ({"compensation": "gtpq"}, "unknown compensation 'gtpq'.*did you mean 'gptq'"),
        ({"rules": Rules(skip=("6",))}, "no layer that can be compressed is named '6'"),
        ({"rules": Rules(skip=("*",))}, "every layer is to be skipped: 0, 5"),
    ],
)
def test_before_anything_is_done(tiny: Tiny, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        tiny.compress(**settings)
    assert tiny.listener.heard == []


@pytest.mark.parametrize(
    ("budgets", "settings", "message"),
    [
        (("lots",), {}, "budget 'lots'"),
        ((), {"target_accuracy_drop": None}, "at least one budget is needed"),
        (("3bits", "20%"), {}, "the budgets 3bits:weights and 20%:weights both limit size"),
        (("10%bops", "1MBOPs"), {}, "both limit bops"),
        (("3bits",), {"target_accuracy_drop": 0.1}, "takes no budget of stored size"),
    ],
)
def test_budgets(tiny: Tiny, budgets: tuple[str, ...], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        tiny.compress(*budgets, **settings)
    assert tiny.listener.heard == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parameters": {"shrinkage": -1.0}}, "shrinkage must be within 0 and 1"),
        ({"parameters": {"objective": "traces"}}, "did you mean 'trace'"),
        ({"parameters": {"shrinkag": 1.0}}, "did you mean 'shrinkage'"),
        ({"target_accuracy_drop": 1.0}, "accuracy drop must be within 0 and 1, not 1.0"),
        ({"rules": Rules(options={"6": bit_widths(2, 4)})}, "no layer that can be compressed is named '6'"),
        ({"rules": Rules(options={"5": ()})}, "options of '5' must be different ones, at least one"),
        ({"rules": Rules(ties=(("0", "5"),))}, "equally many units: 0 has 4, 5 has 3"),
        (
            {
                "rules": Rules(options={"0": bit_widths(2), "5": bit_widths(4)}, ties=(("0", "5"),)),
                "granularity": "layer",
            },
            "tied together have no option in common",
        ),
        (AQC | {"granularity": "layer"}, "its granularity is 'channel'"),
        (AQC | {"options": bit_widths(0, 8)}, "fixed options 0 to 8"),
        (AQC | {"rules": Rules(options={"0": bit_widths(0, 8)})}, "one budget of stored size, and no layers"),
        (AQC | {"parameters": {"beta": -1.0}}, "beta must be a finite number >= 0"),
    ],
)
def test_before_anything_is_measured(tiny: Tiny, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        tiny.compress(**settings)
    assert not {"measure", "apply"} & set(tiny.listener.stages)


class TestTables:
    def test_that_no_one_gave(self, tiny: Tiny) -> None:
        with pytest.raises(OptionError, match=r"there is no table 'latency'; give one with --table latency=FILE\.csv"):
            tiny.compress("latency=3")

    def test_that_no_budget_uses(self, tiny: Tiny) -> None:
        with pytest.raises(OptionError, match="no budget uses the table 'latency'; give one such as --budget latency="):
            tiny.compress("3bits", tables={"latency": CostTable("latency.csv", {})})
        assert tiny.listener.stages == []

    def test_that_lack_a_layer(self, tiny: Tiny) -> None:
        table = CostTable("latency.csv", {("0", Option(2)): 1.0, ("0", Option(4)): 2.0, ("5", Option(2)): 3.0})
        with pytest.raises(FileFormatError, match="has no cost of the layer '5' at the option 4"):
            tiny.compress("latency=3", tables={"latency": table}, options=bit_widths(2, 4))
        assert "measure" not in tiny.listener.stages

    def test_beyond_the_papers_hamiltonian(self, tiny: Tiny) -> None:
        with pytest.raises(OptionError, match="takes one budget of stored size"):
            tiny.compress("10%bops", **AQC)


class TestTooLarge:
    def test_for_the_backend(self, tiny: Tiny) -> None:
        class Small(NealBackend):
            capabilities = Capabilities(max_variables=10)

        with pytest.raises(UnsupportedProblemError, match="at most 10 variables, the problem has 42"):
            tiny.compress(backend=Small())
        assert "measure" not in tiny.listener.stages

    def test_for_the_memory(self, tiny: Tiny) -> None:
        """36 bytes for each of 42^2 pairs are 63,504."""
        expected = r"42 densely .* take 5\.91e-05 GiB .* than the 5\.9e-05 GiB .* 'neal' does not take their factor"
        with pytest.raises(UnsupportedProblemError, match=expected):
            tiny.compress(memory=5.9e-5, backend="neal")
        assert "measure" not in tiny.listener.stages

    def test_but_not_for_a_backend_that_takes_a_factor(self, tiny: Tiny) -> None:
        """The measured matrix would fit, which takes a tenth of what solving with it does."""
        settings: dict[str, Any] = {"rounds": 1, "parameters": {"objective": "gauss-newton"}}
        done = tiny.compress(memory=5.9e-5, backend_options={"seed": 3, "num_sweeps": 200}, **settings)
        assert done.found.problem.low_rank is not None
        assert done.found.solution.best.feasible
        assert done.found.task.meets(done.found.applied.plan)

    def test_not_for_the_memory_of_pairs_where_there_are_none(self, tiny: Tiny) -> None:
        done = tiny.compress(memory=5.9e-5, parameters={"objective": "separable"})
        assert done.found.problem.objective.num_interactions == 0


class TestData:
    def test_of_one_image(self, tiny: Tiny) -> None:
        with pytest.raises(OptionError, match="one image cannot be both measured on and held out; give at least two"):
            tiny.compress(calibration=tiny.images(1))

    def test_of_two_images_is_enough(self, tiny: Tiny) -> None:
        done = tiny.compress(calibration=tiny.images(2), held_out=0.01, rounds=1, rerank=1)
        assert len(done.found.applied.held_out.blocks) == 1

    @pytest.mark.parametrize("formulation", ["pruning-quantization", "aqc-pruning-quantization"])
    def test_with_labels_out_of_range(self, tiny: Tiny, formulation: str) -> None:
        data = Data.from_tensors(torch.randn(12, 2, 6, 6), torch.full((12,), 3))
        with pytest.raises(DataError, match="label 3, the network has 3 outputs"):
            tiny.compress(calibration=data, formulation=formulation)
        assert not {"measure", "solve"} & set(tiny.listener.stages)

    def test_of_a_regression_with_labels(self, tiny: Tiny) -> None:
        with pytest.raises(DataError, match="do not fit outputs"):
            tiny.compress(loss=SquaredError())

    def test_of_a_regression_with_a_target_accuracy(self, tiny: Tiny) -> None:
        data = Data.from_tensors(torch.randn(12, 2, 6, 6), torch.zeros(12, 3))
        with pytest.raises(OptionError, match="squared-error has no accuracy"):
            tiny.compress(loss=SquaredError(), calibration=data, target_accuracy_drop=0.1)


def test_formulation_of_something_else(tiny: Tiny) -> None:
    class Other:
        name = "other"
        summary = "not of networks"

        def compile(self) -> Problem[Any]:
            raise NotImplementedError

    with pytest.raises(OptionError, match="'other' is not one of compressing networks"):
        tiny.compress(formulation=Other)


def test_network_without_weights(tiny: Tiny) -> None:
    with pytest.raises(ModelError, match="no weight can be compressed"):
        tiny.compress(model=nn.Flatten())


def test_network_without_finite_outputs(tiny: Tiny) -> None:
    model = tiny.network()
    nn.init.constant_(model.get_parameter("5.bias"), float("inf"))
    with pytest.raises(ModelError, match="not finite"):
        tiny.compress(model=model)
    assert "measure" not in tiny.listener.stages


def test_a_budget_out_of_reach_whatever_the_formulation(tiny: Tiny) -> None:
    with pytest.raises(BudgetError, match=r"cannot be met with the options 0, 1, .* they reach 0\.9417 to"):
        tiny.compress("0.5bits", **AQC)
    assert tiny.listener.stages == ["examine", "quantize"]


def test_a_formulation_that_misses_the_budget_is_told(tiny: Tiny) -> None:
    """With a gamma of its own the paper's Hamiltonian has no constraint."""
    with pytest.raises(BudgetError, match=r"'pt' with .*'aqc-pruning-quantization' found no plan within 3 stored bits"):
        tiny.compress("3bits", parameters={"gamma": 0.0}, **AQC)


def test_a_broken_formulation_is_not_covered_up(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from qubo_formulations.pruning_quantization import PruningQuantization

    def fail(_: Any) -> Problem[Any]:
        raise FormulationError("not well formed")

    monkeypatch.setattr(PruningQuantization, "compile", fail)
    with pytest.raises(FormulationError, match="not well formed"):
        tiny.compress()


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "model": ({"model": "net"}, ModelError, "the network is str, not a torch nn.Module"),
    "calibration": (
        {"calibration": [1, 2]},
        DataError,
        "the calibration images are list, not qubo_dnn",
    ),
    "test": (
        {"test": "images.npz"},
        DataError,
        "the test images are str, not qubo_dnn.compression.data.dataset.Data",
    ),
    "formulation": ({"formulation": 3}, OptionError, "the formulation is int, not a class"),
    "backend": ({"backend": 3}, OptionError, "the backend is int, not an instance of one"),
    "backend class": ({"backend": int}, OptionError, "the backend is the class int, not an instance of one"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_of_another_kind(tiny: Tiny, name: str) -> None:
    arguments, error, text = WRONG[name]
    with pytest.raises(error, match=text):
        tiny.compress(**arguments)
    assert tiny.listener.stages == []


def test_no_images_and_no_settings(tiny: Tiny) -> None:
    backend, formulation = get_backend("neal"), check_compression(get_formulation("pruning-quantization"))
    settings = CompressionSettings(budgets=(parse_budget("5bits"),))
    with pytest.raises(DataError, match="the calibration images are NoneType"):
        Compressor(formulation, backend, settings).compress(tiny.network(), None, None, tiny.listener)  # type: ignore[arg-type]  # the wrong type is the point
    with pytest.raises(OptionError, match="the settings are dict, not"):
        Compressor(formulation, backend, {})  # type: ignore[arg-type]  # as above
