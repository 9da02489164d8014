from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import dimod
import pytest

from qubo_dnn.errors import OptionError
from qubo_dnn.parameters import make_parameters

if TYPE_CHECKING:
    from decimal import Decimal


class Toy:
    name: ClassVar[str] = "toy"

    def __init__(  # type: ignore[no-untyped-def]  # one parameter without an annotation
        self,
        data: object,
        size: int = 1,
        weight: float | None = 1.5,
        *,
        loud: bool = False,
        loss: Callable[[float], float] = abs,
        model: dimod.BinaryQuadraticModel | None = None,
        anything=None,
    ) -> None:
        pass


TOY: Any = Toy  # all that is needed of a formulation


def test_text_is_converted_by_the_annotation() -> None:
    made = make_parameters(TOY, {"size": "3", "weight": "2.5", "loud": "true", "anything": "text"})
    assert made == {"size": 3, "weight": 2.5, "loud": True, "anything": "text"}


def test_none_means_not_given() -> None:
    assert make_parameters(TOY, {"size": None, "unknown": None}) == {}


def test_objects_pass_as_they_are() -> None:
    bqm = dimod.BinaryQuadraticModel("SPIN")
    made = make_parameters(TOY, {"loss": round, "model": bqm})
    assert made["loss"] is round
    assert made["model"] is bqm


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"wieght": 1.0}, "formulation 'toy' has no parameter 'wieght'; did you mean 'weight'"),
        ({"data": 1}, "has no parameter 'data'"),
        ({"size": "big"}, "formulation 'toy', parameter size: .*integer"),
        ({"size": 1.5}, "parameter size: .*integer"),
        ({"weight": "nan"}, "parameter weight: .*finite"),
        ({"loss": "abs"}, "parameter loss: .*callable"),
        ({"model": "bqm"}, "parameter model: .*instance of"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(values: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text) as caught:
        make_parameters(TOY, values)
    assert "\n" not in str(caught.value)


def test_an_annotation_that_is_not_there_at_run_time_is_named() -> None:
    class Hidden:
        name: ClassVar[str] = "hidden"

        def __init__(self, data: object, amount: Decimal) -> None:
            pass

    hidden: Any = Hidden
    with pytest.raises(OptionError, match=r"formulation 'hidden' has an annotation that cannot be used: .*Decimal"):
        make_parameters(hidden, {"amount": "1"})
