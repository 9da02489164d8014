"""Losses: their curvature against automatic differentiation, and divergences by hand."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import hessian
from torch.nn import functional as F  # noqa: N812 (the name all torch code uses)

from qubo_dnn.compression.losses.loss import signs
from qubo_dnn.compression.losses.losses import (
    EXACT_OUTPUTS,
    LOSS_NAMES,
    MAX_HESSIAN_OUTPUTS,
    SAMPLED_PROBES,
    AbsoluteError,
    BinaryCrossEntropy,
    CallableLoss,
    Cosine,
    CrossEntropy,
    Huber,
    Loss,
    SquaredError,
    kl_divergence,
    load_loss,
)
from qubo_dnn.errors import DataError, ModelError, OptionError

HERE = "user_losses_for_tests"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


def added_up(vectors: Tensor) -> Tensor:
    """[N, D, D] sum of the outer products of [P, N, ...]."""
    flat = vectors.double().reshape(*vectors.shape[:2], -1)
    return torch.einsum("pni,pnj->nij", flat, flat)


def exact(loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """[N, D, D] Hessian of every image's loss."""
    every = []
    for n in range(len(outputs)):

        def of_one(flat: Tensor, n: int = n) -> Tensor:
            return loss(flat.reshape(1, *outputs.shape[1:]), targets[n : n + 1])

        every.append(hessian(of_one)(outputs[n].double().flatten()))
    return torch.stack(every)


def softplus_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Convex, and its outputs interact."""
    return F.softplus(outputs.sum(-1) + outputs.square().sum(-1) - targets).mean()


def labels(*shape: int, classes: int = 3) -> Tensor:
    return torch.randint(classes, shape, generator=generator(5))


LABELS = torch.tensor([0, 2, 1, 1])
PROBABILITIES = normal(4, 3).sigmoid()
CASES: dict[str, tuple[Loss, Tensor, Tensor]] = {
    "cross-entropy": (CrossEntropy(), normal(4, 3), LABELS),
    "squared-error": (SquaredError(), normal(4, 3), normal(4, 3, seed=1)),
    "squared-error of maps": (SquaredError(), normal(4, 2, 3), normal(4, 2, 3, seed=1)),
    "squared-error of one output": (SquaredError(), normal(4, 1), normal(4, seed=1)),
    "squared-error without an axis": (SquaredError(), normal(4), normal(4, seed=1)),
    "mine": (CallableLoss("mine", softplus_loss), normal(4, 3), normal(4, seed=1)),
    "mine, of maps": (
        CallableLoss("mine", lambda z, y: (z - y).pow(4).mean()),
        normal(4, 2, 2),
        normal(4, 2, 2, seed=1),
    ),
    "cross-entropy as mine": (CallableLoss("mine", F.cross_entropy), normal(4, 3), LABELS),
    "cross-entropy of signals": (CrossEntropy(), normal(4, 3, 5), labels(4, 5)),
    "cross-entropy of pixels": (CrossEntropy(), normal(4, 3, 2, 4), labels(4, 2, 4)),
    "cross-entropy of voxels": (CrossEntropy(), normal(2, 3, 2, 1, 3), labels(2, 2, 1, 3)),
    "cross-entropy of tokens": (CrossEntropy(axis=-1), normal(4, 5, 3), labels(4, 5)),
    "yes or no": (BinaryCrossEntropy(), normal(4, 3), labels(4, 3, classes=2).float()),
    "yes or no of pixels": (BinaryCrossEntropy(), normal(4, 1, 2, 3), labels(4, 2, 3, classes=2).float()),
    "probabilities": (BinaryCrossEntropy(logits=False), PROBABILITIES, PROBABILITIES),
    "huber": (Huber(delta=9.0), normal(4, 3), normal(4, 3, seed=1)),
    "cosine": (Cosine(), normal(4, 3), normal(4, 3)),
    "cosine of tokens": (Cosine(), normal(4, 2, 3), normal(4, 2, 3)),
    "cosine of pixels": (Cosine(axis=1), normal(4, 3, 2, 2), normal(4, 3, 2, 2)),
}
WITHOUT_LABELS: dict[str, tuple[Loss, Tensor]] = {
    name: (loss, outputs) for name, (loss, outputs, _) in CASES.items() if not isinstance(loss, CallableLoss)
} | {
    "absolute error": (AbsoluteError(), normal(4, 3)),
    "absolute error of another scale": (AbsoluteError(scale=0.3), normal(4, 3)),
    "huber that is linear soon": (Huber(delta=0.3), normal(4, 3)),
}


@pytest.mark.parametrize("name", WITHOUT_LABELS)
def test_small_divergences_are_what_the_curvature_says(name: str) -> None:
    """The divergence of z + e from z is half of e'He to second order, without any labels."""
    loss, outputs = WITHOUT_LABELS[name]
    outputs = outputs.double()
    error = 1e-4 * normal(*outputs.shape, seed=7).double()
    hessian = added_up(loss.curvature(outputs, None, None, generator()))
    expected = torch.einsum("nij,ni,nj->n", hessian, *(error.reshape(len(error), -1),) * 2).mean() / 2
    assert expected > 0
    assert loss.divergence(outputs, outputs + error, None) == pytest.approx(float(expected), rel=1e-3)


def test_ignored_labels_do_not_count() -> None:
    outputs, given = normal(2, 3, 4), labels(2, 4)
    given[0, 3], given[1, 2:] = -100, -100
    expected = [float(F.cross_entropy(outputs[i : i + 1, :, :n], given[i : i + 1, :n])) for i, n in ((0, 3), (1, 2))]
    assert float(CrossEntropy()(outputs, given)) == pytest.approx(sum(expected) / 2)
    given[1] = -100
    assert float(CrossEntropy()(outputs, given)) == pytest.approx(expected[0] / 2)


def test_saturated_probabilities_stay_finite() -> None:
    loss, outputs = BinaryCrossEntropy(logits=False), torch.tensor([[0.0, 1.0, 0.5]])
    assert loss.curvature(outputs, None, None, generator()).isfinite().all()
    assert math.isfinite(loss.divergence(outputs, 1 - outputs, None))


@pytest.mark.parametrize("name", CASES)
class TestCurvature:
    def test_adds_up_to_the_hessian(self, name: str) -> None:
        loss, outputs, targets = CASES[name]
        vectors = loss.curvature(outputs, targets, None, generator())
        assert vectors.shape[1:] == outputs.shape
        assert vectors.dtype == outputs.dtype
        torch.testing.assert_close(added_up(vectors), exact(loss, outputs, targets), rtol=1e-5, atol=1e-6)

    def test_drawn_vectors_add_up_in_expectation(self, name: str) -> None:
        """Within 5 standard errors of the exact Hessian, entry by entry; every copy of an image draws for itself."""
        loss, outputs, targets = CASES[name]
        copies = 500
        many, theirs = (each.repeat(copies, *[1] * (each.dim() - 1)) for each in (outputs, targets))
        draws = added_up(loss.curvature(many, theirs, 2, generator())).unflatten(0, (copies, len(outputs)))  # type: ignore[no-untyped-call]  # torch has no types here
        error = draws.std(0) / copies**0.5
        expected = exact(loss, outputs, targets)
        assert ((draws.mean(0) - expected).abs() <= 5 * error + 1e-6 * (1 + expected.abs())).all()

    def test_drawn_vectors_reproduce(self, name: str) -> None:
        loss, outputs, targets = CASES[name]
        first, again = (loss.curvature(outputs, targets, 5, generator(3)) for _ in range(2))
        assert first.shape == (5, *outputs.shape)
        assert torch.equal(first, again)


@pytest.mark.parametrize("loss", [CrossEntropy(), SquaredError(), CallableLoss("mine", F.mse_loss)])
def test_many_outputs_are_drawn(loss: Loss) -> None:
    for outputs, drawn in ((EXACT_OUTPUTS, False), (EXACT_OUTPUTS + 1, True)):
        given = normal(2, outputs)
        vectors = loss.curvature(given, given, None, generator())
        assert (len(vectors) == SAMPLED_PROBES) is drawn


class TestCallersLoss:
    def test_negative_curvature_counts_as_none(self) -> None:
        loss = CallableLoss("mine", lambda z, _: (z[:, 0].square() - z[:, 1].square()).mean())
        vectors = loss.curvature(normal(3, 2), torch.zeros(3), None, generator())
        torch.testing.assert_close(added_up(vectors), torch.tensor([[2.0, 0], [0, 0]]).double().expand(3, 2, 2))

    def test_without_second_derivative(self) -> None:
        for function in (lambda z, _: z.mean(), F.l1_loss):
            vectors = CallableLoss("mine", function).curvature(normal(3, 2), normal(3, 2, seed=1), None, generator())
            assert vectors.shape == (2, 3, 2)
            assert not vectors.any()

    def test_may_branch_on_values(self) -> None:
        loss = CallableLoss(
            "mine", lambda z, _: z.square().sum() if float(z.detach().sum()) > 0 else 3 * z.square().sum()
        )
        vectors = loss.curvature(torch.tensor([[1.0], [-1.0]]), torch.zeros(2), None, generator())
        torch.testing.assert_close(added_up(vectors).flatten(), torch.tensor([2.0, 6.0]).double())

    def test_runs_under_no_grad(self) -> None:
        with torch.no_grad():
            assert CallableLoss("mine", F.mse_loss).curvature(normal(2, 3), normal(2, 3), None, generator()).any()

    @pytest.mark.parametrize(
        ("function", "text"),
        [
            (lambda _z, _y: 1 / 0, "the loss mine fails: ZeroDivisionError: division by zero"),
            (lambda _z, _y: 1.0, "the loss mine gives float, not a scalar tensor"),
            (lambda z, _y: z, r"the loss mine gives torch.float32 of shape \(1, 3\), not a scalar tensor"),
            (lambda z, _y: z.sum() * torch.nan, "the loss mine is not finite"),
            (lambda z, _y: z.detach().sum(), "the loss mine cannot be differentiated twice: RuntimeError"),
            (
                lambda z, _y: (z - z.detach()).abs().sqrt().sum(),
                "the loss mine has a second derivative that is not finite",
            ),
        ],
    )
    def test_that_cannot_be_used(self, function: Callable[..., Any], text: str) -> None:
        with pytest.raises(OptionError, match=text) as caught:
            CallableLoss("mine", function).curvature(normal(2, 3), normal(2, 3), None, generator())
        assert "\n" not in str(caught.value)

    def test_of_many_outputs_is_a_product_with_the_square_root(self) -> None:
        """Beyond the limit for whole Hessians, the drawn vectors are those of the decomposed Hessian."""
        size = MAX_HESSIAN_OUTPUTS + 44
        outputs, targets = normal(2, size), normal(2, size, seed=1)
        loss = CallableLoss("mine", lambda z, y: (z - y).tanh().square().sum() + (z.sum(-1) / 9).square().sum())
        vectors = loss.curvature(outputs.double(), targets.double(), 3, generator())
        values, rotation = torch.linalg.eigh(exact(loss, outputs, targets.double()))
        roots = (rotation * values.clamp(min=0).sqrt()[:, None]) @ rotation.mT
        expected = torch.einsum("nij,pnj->pni", roots, signs(3, 2, size, generator()))
        assert float((vectors - expected).norm() / expected.norm()) < 0.02

    def test_of_many_outputs_is_exact_with_few_different_eigenvalues(self) -> None:
        wide = normal(2, 1000)
        vectors = CallableLoss("mine", F.mse_loss).curvature(wide, wide, 4, generator())
        torch.testing.assert_close(vectors, (signs(4, 2, 1000, generator()) * (2 / 1000) ** 0.5).float())

    def test_without_targets_compares_with_the_given_network(self) -> None:
        loss, outputs = CallableLoss("mine", F.mse_loss), normal(4, 3)
        torch.testing.assert_close(
            added_up(loss.curvature(outputs, None, None, generator())), 2 / 3 * torch.eye(3).double().expand(4, 3, 3)
        )
        assert loss.divergence(outputs, outputs + 1, None) == pytest.approx(1.0)


class TestCheck:
    def test_targets_that_do_not_fit(self) -> None:
        with pytest.raises(DataError, match="toy: labels out of range: label 3, the network has 3 outputs"):
            CrossEntropy().check(normal(2, 3), torch.tensor([0, 3]), "toy")
        with pytest.raises(DataError, match=r"toy: labels are torch\.float32"):
            CrossEntropy().check(normal(2, 3), normal(2), "toy")
        with pytest.raises(DataError, match=r"toy: labels are torch.int64 of shape \(2, 1\)"):
            CrossEntropy().check(normal(2, 3), torch.tensor([[0], [1]]), "toy")
        with pytest.raises(DataError, match=r"toy: targets of shape \(2,\) do not fit outputs of shape \(images, 3\)"):
            SquaredError().check(normal(2, 3), normal(2), "toy")

    def test_outputs_that_are_not_logits(self) -> None:
        for outputs in (normal(2), normal(2, 1, 1, 1, 1, 1)):
            with pytest.raises(ModelError, match="not logits"):
                CrossEntropy().check(outputs, torch.tensor([0, 1]), "toy")
        with pytest.raises(ModelError, match="not probabilities"):
            BinaryCrossEntropy(logits=False).check(normal(2, 3), None, "toy")
        with pytest.raises(ModelError, match="without an angle"):
            Cosine().check(torch.zeros(2, 3), None, "toy")

    def test_labels_of_the_other_axis_name_the_loss_that_fits(self) -> None:
        with pytest.raises(DataError, match="the loss token-cross-entropy fits"):
            CrossEntropy().check(normal(2, 5, 3), labels(2, 5), "toy")
        with pytest.raises(DataError, match="the loss cross-entropy fits"):
            CrossEntropy(axis=-1).check(normal(2, 3, 5), labels(2, 5), "toy")

    def test_targets_outside_of_0_and_1(self) -> None:
        with pytest.raises(DataError, match="toy: targets are not within 0 and 1"):
            BinaryCrossEntropy().check(normal(2, 3), normal(2, 3), "toy")

    def test_that_pass(self) -> None:
        for loss, outputs, targets in CASES.values():
            loss.check(outputs, targets, "toy")
            loss.check(outputs, None, "toy")


class TestDivergence:
    def test_of_squared_error(self) -> None:
        reference, outputs = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0]])
        assert SquaredError().divergence(reference, outputs, torch.zeros(2, 2)) == pytest.approx(25 / 2 / 2)

    def test_of_cross_entropy_is_the_kl_divergence(self) -> None:
        reference, outputs = normal(4, 3), normal(4, 3, seed=1)
        assert CrossEntropy().divergence(reference, outputs, LABELS) == kl_divergence(reference, outputs) > 0

    def test_of_the_callers_loss_is_its_difference(self) -> None:
        loss = CallableLoss("mine", F.mse_loss)
        reference, outputs, targets = normal(4, 3), normal(4, 3, seed=1), normal(4, 3, seed=2)
        expected = float(F.mse_loss(outputs, targets) - F.mse_loss(reference, targets))
        assert loss.divergence(reference, outputs, targets) == pytest.approx(expected)
        assert loss.divergence(outputs, reference, targets) == pytest.approx(-expected)

    @pytest.mark.parametrize("name", CASES)
    def test_of_equals_is_zero(self, name: str) -> None:
        loss, outputs, targets = CASES[name]
        assert loss.divergence(outputs, outputs, targets) == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize("loss", [CrossEntropy(), SquaredError(), CallableLoss("mine", F.mse_loss)])
    def test_of_unlike_shapes(self, loss: Loss) -> None:
        with pytest.raises(ModelError, match=r"\(2, 3\) and \(2, 4\)"):
            loss.divergence(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2))


def test_kl_divergence_by_hand() -> None:
    p, q = torch.tensor([[0.5, 0.5], [0.9, 0.1]]), torch.tensor([[0.25, 0.75], [0.9, 0.1]])
    expected = (0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)) / 2
    assert kl_divergence(p.log(), q.log() + 3.0) == pytest.approx(expected, rel=1e-6)


def test_kl_divergence_of_equals_is_zero_and_direction_matters() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(50, 10), torch.randn(50, 10)
    assert kl_divergence(a, a) == pytest.approx(0.0, abs=1e-12)
    assert kl_divergence(a, a) >= 0.0
    assert kl_divergence(a, b) != pytest.approx(kl_divergence(b, a), rel=1e-3)
    probabilities = F.softmax(a.double(), 1)
    expected = (probabilities * (F.log_softmax(a.double(), 1) - F.log_softmax(b.double(), 1))).sum(1).mean()
    assert kl_divergence(a, b) == pytest.approx(float(expected), rel=1e-12)


class TestLoad:
    @pytest.fixture
    def give(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], str]:
        """Puts an object where `load_loss` finds it, and names it."""

        def put(thing: object) -> str:
            module = type(sys)(HERE)
            module.__dict__["thing"] = thing
            monkeypatch.setitem(sys.modules, HERE, module)
            return f"{HERE}:thing"

        return put

    def test_by_name(self) -> None:
        assert load_loss("cross-entropy") == CrossEntropy()
        assert load_loss("squared-error") == SquaredError()
        assert load_loss("token-cross-entropy") == CrossEntropy(axis=-1)
        assert load_loss("binary-cross-entropy") == BinaryCrossEntropy(logits=False)
        assert [load_loss(name).name for name in LOSS_NAMES] == list(LOSS_NAMES)

    def test_of_torch(self) -> None:
        loss, outputs, targets = load_loss("torch.nn:SmoothL1Loss"), normal(4, 3), normal(4, 3, seed=1)
        assert loss.name == "torch.nn:SmoothL1Loss"
        assert torch.equal(loss(outputs, targets), F.smooth_l1_loss(outputs, targets))

    def test_of_a_module_or_a_factory(self, give: Callable[[object], str]) -> None:
        for thing in (nn.MSELoss(), nn.MSELoss, lambda: F.mse_loss):
            assert float(load_loss(give(thing))(torch.ones(2, 3), torch.zeros(2, 3))) == 1.0

    @pytest.mark.parametrize(
        ("thing", "text"),
        [
            (lambda: 3, "thing: gives int, not a callable"),
            (3, "thing: gives int, not a callable"),
            (F.mse_loss, "thing: the factory fails: TypeError"),
        ],
    )
    def test_that_is_none(self, give: Callable[[object], str], thing: object, text: str) -> None:
        with pytest.raises(OptionError, match=text):
            load_loss(give(thing))

    def test_unknown_name(self) -> None:
        with pytest.raises(OptionError, match="unknown loss 'cross_entropy'; did you mean 'cross-entropy'"):
            load_loss("cross_entropy")
        with pytest.raises(OptionError, match="module 'no_such_package' not found"):
            load_loss("no_such_package:loss")
