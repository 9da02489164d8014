import math

import pytest
import torch
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CallableLoss, SquaredError
from qubo_dnn.compression.network.inference import evaluate, logits
from qubo_dnn.errors import DataError, ModelError


def _data(n: int = 40, classes: int = 3) -> Data:
    generator = torch.Generator().manual_seed(0)
    return Data.from_tensors(
        torch.randn(n, 5, generator=generator), torch.randint(classes, (n,), generator=generator), name="toy"
    )


def _model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))


class Echo(nn.Module):
    """Gives its input back as logits."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_accuracy_and_loss_by_hand() -> None:
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]])
    result = evaluate(Echo(), Data.from_tensors(outputs, torch.tensor([0, 1, 1, 1])))
    terms = [math.log1p(math.exp(-2)), math.log1p(math.exp(-1)), math.log1p(math.exp(3)), math.log1p(math.exp(-0.5))]
    assert result.accuracy == 0.75
    assert result.loss == pytest.approx(sum(terms) / 4, rel=1e-12)


def test_batch_size_does_not_matter_and_runs_repeat_to_the_bit() -> None:
    model, data = _model(), _data()
    assert evaluate(model, data, 7) == evaluate(model, data, 7)
    assert evaluate(model, data, 7).loss == pytest.approx(evaluate(model, data, 40).loss, rel=1e-6)


def test_model_is_left_as_it_was() -> None:
    model = _model().train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    evaluate(model, _data())
    assert [module.training for module in model] == [True, False, True, True, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_training_flag_survives_an_error() -> None:
    model = _model().train()
    with pytest.raises(DataError):
        evaluate(model, _data(classes=10))
    assert model.training
    assert not torch.is_inference_mode_enabled()


def test_dropout_is_off() -> None:
    model = _model().train()
    assert torch.equal(logits(model, _data()), logits(model, _data()))


def test_progress_counts_images() -> None:
    seen: list[tuple[int, int]] = []
    evaluate(_model(), _data(40), batch_size=16, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(16, 40), (32, 40), (40, 40)]


def test_logits_can_serve_as_a_training_target() -> None:
    model, data = _model(), _data()
    target = logits(model, data, 7)
    assert target.shape == (40, 3)
    images, _ = next(data.batches(40))
    (model(images.only) * target).sum().backward()
    assert model[0].weight.grad is not None


def test_single_batch_of_logits_is_an_ordinary_tensor_too() -> None:
    assert not logits(_model(), _data(), 40).is_inference()


def test_label_out_of_range() -> None:
    data = Data.from_tensors(torch.zeros(3, 5), torch.tensor([0, 12, 1]), name="toy")
    with pytest.raises(DataError, match=r"^toy: labels out of range: label 12, the network has 3 outputs$"):
        evaluate(_model(), data)


def test_outputs_that_are_not_finite() -> None:
    model = _model()
    nn.init.constant_(model.get_parameter("4.bias"), float("nan"))
    with pytest.raises(ModelError, match="outputs that are not finite"):
        evaluate(model, _data())


def test_regression_has_a_loss_but_no_accuracy() -> None:
    outputs, targets = (
        torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]]),
        torch.tensor([[1.0, 0.0], [3.0, 4.0], [3.0, 1.0]]),
    )
    result = evaluate(Echo(), Data.from_tensors(outputs, targets), batch_size=2, loss=SquaredError())
    assert result.accuracy is None
    assert result.loss == pytest.approx((4 + 25 + 0) / 2 / 3, rel=1e-12)


def test_mean_of_the_callers_loss_over_uneven_batches() -> None:
    outputs, targets = torch.arange(5.0)[:, None], torch.zeros(5)
    loss = CallableLoss("mine", lambda outputs, _: outputs.mean())
    assert evaluate(Echo(), Data.from_tensors(outputs, targets), batch_size=2, loss=loss).loss == pytest.approx(2.0)


def test_labels_are_needed_for_cross_entropy() -> None:
    with pytest.raises(DataError, match=r"^data: labels are torch.float32 of shape \(3,\), not integers"):
        evaluate(Echo(), Data.from_tensors(torch.zeros(3, 2), torch.zeros(3)))
