"""Options and limits, checked for every backend alike."""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
import pytest
from pydantic import Field, model_validator

from qubo_dnn.backend import Capabilities, SolveOptions, check_model, make_options
from qubo_dnn.errors import FormulationError, OptionError, UnsupportedProblemError


class Options(SolveOptions):
    sweeps: int = Field(default=10, ge=1)
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Options:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Small:
    name: ClassVar[str] = "small"
    summary: ClassVar[str] = "at most 3 variables, neither seeded nor timed"
    options_type: ClassVar[type[SolveOptions]] = Options
    capabilities = Capabilities(max_variables=3, seeded=False, timed=False)

    def sample(self, bqm: dimod.BinaryQuadraticModel, options: SolveOptions) -> dimod.SampleSet:
        raise NotImplementedError


def test_text_is_converted_and_none_means_not_given() -> None:
    options = make_options(Small(), {"sweeps": "20", "num_reads": "3", "seed": None})
    assert options == Options(sweeps=20, num_reads=3)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"sweps": 1}, "backend 'small' has no option 'sweps'; did you mean 'sweeps'"),
        ({"sweeps": 0}, "option sweeps: .*greater than or equal to 1"),
        ({"sweeps": "many"}, "option sweeps: .*integer"),
        ({"low": "nan"}, "option low: .*finite"),
        ({"low": 2.0}, "option options: .*low is above high"),
        ({"seed": 1}, "cannot honour the option 'seed'"),
        ({"time_limit": 1}, "cannot honour the option 'time_limit'"),
    ],
)
def test_wrong_options_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text) as caught:
        make_options(Small(), values)
    assert "\n" not in str(caught.value)


def test_a_model_beyond_the_limit_is_refused_with_both_numbers() -> None:
    with pytest.raises(UnsupportedProblemError, match="at most 3 variables, the problem has 4"):
        check_model(Small(), dimod.BinaryQuadraticModel(4, "BINARY"))
    check_model(Small(), dimod.BinaryQuadraticModel(3, "BINARY"))


def test_the_bias_that_is_not_finite_is_named() -> None:
    bqm = dimod.BinaryQuadraticModel({"a": 0.0, "b": float("nan")}, {}, 0.0, dimod.BINARY)
    with pytest.raises(FormulationError, match="linear bias of 'b'"):
        check_model(Small(), bqm)
