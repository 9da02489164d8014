"""Outputs of any structure: found by name, chosen, compared alone or together, along the axis of the samples."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data, as_data
from qubo_dnn.compression.data.inputs import Inputs, Interface
from qubo_dnn.compression.losses.joint_loss import JointLoss, LossTerm, parse_term
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, SquaredError
from qubo_dnn.compression.network.fitting import fit
from qubo_dnn.compression.network.inference import forward
from qubo_dnn.compression.network.outputs import chosen, named_outputs
from qubo_dnn.errors import ModelError, OptionError

LOGITS, BOXES = torch.randn(4, 3), torch.randn(4, 2, 5)


@dataclasses.dataclass
class ModelOutput:
    logits: Tensor
    hidden: tuple[Tensor, ...] | None = None


class Named(NamedTuple):
    logits: Tensor
    ids: Tensor


class Gives(nn.Module):
    """Returns what `make` makes of its input."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Any:
        return self.make(x)


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (LOGITS, [""]),
        ((LOGITS, BOXES), ["0", "1"]),
        ({"logits": LOGITS, "boxes": BOXES, "count": torch.arange(4), "loss": None}, ["logits", "boxes"]),
        (ModelOutput(LOGITS), ["logits"]),
        (ModelOutput(LOGITS, (BOXES, BOXES)), ["logits", "hidden.0", "hidden.1"]),
        (Named(LOGITS, torch.arange(4)), ["logits"]),
        (collections.OrderedDict(a=[LOGITS, {"b": BOXES}]), ["a.0", "a.1.b"]),
        ("text", []),
    ],
)
def test_names(returned: Any, names: list[str]) -> None:
    assert list(named_outputs(returned)) == names


def test_the_only_output_needs_no_name_and_others_do() -> None:
    assert chosen(ModelOutput(LOGITS), ())[0] is LOGITS
    assert chosen(ModelOutput(LOGITS, (BOXES,)), ("hidden.0",))[0] is BOXES
    with pytest.raises(ModelError, match=r"gives 2 outputs: logits \(4, 3\), hidden\.0 .*--output logits"):
        chosen(ModelOutput(LOGITS, (BOXES,)), ())
    with pytest.raises(OptionError, match=r"no output 'logit'; did you mean 'logits'\?; it gives logits, hidden\.0"):
        chosen(ModelOutput(LOGITS, (BOXES,)), ("logit",))
    with pytest.raises(ModelError, match=r"gives torch\.int64, not floating-point"):
        chosen(torch.arange(4), ())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_axis_of_the_samples_is_found(axis: int) -> None:
    data = as_data(torch.randn(5, 3, 3))
    model = Gives(lambda x: {"a": x.movedim(0, axis), "b": x.sum(2)})
    interface, loss = fit(model, data, (LossTerm("a"),), CROSS_ENTROPY)
    assert interface.output_axes == (axis,)
    assert loss is CROSS_ENTROPY
    inputs, _ = next(data.with_interface(interface).batches(5))
    assert torch.equal(forward(model, inputs), inputs.only)


def test_no_axis_of_the_samples_is_refused() -> None:
    with pytest.raises(ModelError, match="no axis is that of the images"):
        fit(Gives(lambda x: x.mean(0, keepdim=True)), as_data(torch.randn(5, 4)), (), CROSS_ENTROPY)


def test_all_outputs_are_compared_as_one_row_with_one_loss_each() -> None:
    data = as_data(torch.randn(6, 4))
    model = Gives(lambda x: {"classes": x[:, :2], "boxes": x.view(-1, 2, 2)})
    interface, loss = fit(model, data, (LossTerm("all"),), SquaredError())
    assert interface.outputs == ("classes", "boxes")
    assert isinstance(loss, JointLoss)
    inputs, _ = next(data.with_interface(interface).batches(6))
    assert torch.equal(forward(model, inputs), torch.cat([inputs.only[:, :2], inputs.only], 1))


@pytest.mark.parametrize("probes", [None, 400])
def test_joint_curvature_is_that_of_the_parts_weighed(probes: int | None) -> None:
    terms = (LossTerm("classes"), LossTerm("boxes", SquaredError(), 0.25))
    loss = JointLoss(terms, (CROSS_ENTROPY, SquaredError()), ((3,), (2, 2)))
    outputs = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    vectors = loss.curvature(outputs, None, probes, torch.Generator().manual_seed(1)).double()
    found = torch.einsum("pni,pnj->nij", vectors, vectors)

    def value(row: Tensor) -> Tensor:
        return -row[:3].log_softmax(0)[0] + 0.25 * row[3:].square().sum() / 2

    expected = torch.stack([torch.autograd.functional.hessian(value, row) for row in outputs.double()])  # type: ignore[no-untyped-call]  # torch has no types here
    torch.testing.assert_close(found, expected, atol=1e-5 if probes is None else 0.15, rtol=0)
    other = outputs + 1e-2 * torch.randn(2, 7, generator=torch.Generator().manual_seed(2))
    change = (other - outputs).double()
    second_order = float(torch.einsum("ni,nij,nj->n", change, expected, change).mean() / 2)
    assert loss.divergence(outputs, other, None) == pytest.approx(second_order, rel=2e-2)


@pytest.mark.parametrize(
    ("text", "name", "loss", "weight"),
    [
        ("logits", "logits", None, 1.0),
        ("hidden.0*0.5", "hidden.0", None, 0.5),
        ("boxes=squared-error", "boxes", "squared-error", 1.0),
        ("boxes=torch.nn:HuberLoss*1e-2", "boxes", "torch.nn:HuberLoss", 0.01),
    ],
)
def test_terms(text: str, name: str, loss: str | None, weight: float) -> None:
    term = parse_term(text)
    assert (term.name, term.loss and term.loss.name, term.weight) == (name, loss, weight)


@pytest.mark.parametrize(
    "text", ["", "a=", "a*", "a*b", "a b", "a*nan", "a*0", "a*-1", "a*inf", "=squared-error", "a=x"]
)
def test_bad_terms(text: str) -> None:
    with pytest.raises(OptionError):
        parse_term(text)


def test_a_mask_the_network_does_not_take_is_not_passed() -> None:
    class Takes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    x, valid = torch.randn(4, 3, 2), torch.tensor([[True, True, False]] * 4)
    data = Data.from_tensors({"x": x, "valid": valid}, interface=Interface(mask="valid"))
    interface, _ = fit(Takes(), data, (), SquaredError())
    assert not interface.passes_mask
    inputs, _ = next(data.with_interface(interface).batches())
    assert torch.equal(forward(Takes(), inputs)[:, :2], x[:, :2])
    wrong = Inputs({"x": x[:, 0], "valid": valid}, interface)
    with pytest.raises(ModelError, match=r"mask of shape \(4, 3\) does not fit outputs of shape \(4, 2\)"):
        forward(Takes(), wrong)
