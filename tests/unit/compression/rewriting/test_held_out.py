"""Divergence on held-out images, and when one network counts as better than another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY, CallableLoss, SquaredError, kl_divergence
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.rewriting.held_out import Divergence, HeldOutDivergence
from qubo_dnn.errors import DataError, ModelError


def linear(seed: int) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(4, 3)


def images(count: int) -> Data:
    return Data.from_tensors(torch.randn(count, 4, generator=torch.Generator().manual_seed(0)), torch.arange(count) % 3)


class TestJudge:
    @pytest.mark.parametrize(("count", "blocks"), [(1, 1), (5, 5), (16, 16), (48, 16)])
    def test_takes_the_mean_divergence_of_every_part(self, count: int, blocks: int) -> None:
        data = images(count)
        divergence = HeldOutDivergence(linear(0), data, CROSS_ENTROPY)(linear(1))
        before, after = logits(linear(0), data), logits(linear(1), data)
        size = count // blocks
        expected = [kl_divergence(before[b : b + size], after[b : b + size]) for b in range(0, count, size)]
        assert divergence.blocks == pytest.approx(expected)
        assert divergence.divergence == pytest.approx(kl_divergence(before, after))

    def test_parts_that_do_not_divide_the_images_use_each_once(self) -> None:
        """Image n is n off in every output; 17 images are one of two and fifteen of one."""
        data = Data.from_tensors(torch.arange(17.0)[:, None], torch.zeros(17, 1))
        given, doubled = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        nn.init.constant_(given.weight, 1.0)
        nn.init.constant_(doubled.weight, 2.0)
        blocks = HeldOutDivergence(given, data, SquaredError())(doubled).blocks
        assert blocks == pytest.approx([(0.0 + 0.5) / 2, *(n**2 / 2 for n in range(2, 17))])

    def test_the_reference_itself_diverges_by_nothing(self) -> None:
        divergence = HeldOutDivergence(linear(0), images(20), CROSS_ENTROPY)(linear(0))
        assert divergence.blocks.tolist() == [0.0] * 16

    def test_a_loss_of_the_callers_sees_the_targets_of_its_part(self) -> None:
        data = Data.from_tensors(torch.zeros(4, 4), torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
        given, other = nn.Linear(4, 1), nn.Linear(4, 1)
        nn.init.constant_(given.bias, 0.0)
        nn.init.constant_(other.bias, 1.0)
        loss = CallableLoss("product", lambda outputs, targets: (outputs * targets).mean())
        assert HeldOutDivergence(given, data, loss)(other).blocks == pytest.approx([1.0, 2.0, 3.0, 4.0])

    def test_leaves_training_flags(self) -> None:
        given, other = linear(0).train(), linear(1).train()
        HeldOutDivergence(given, images(3), CROSS_ENTROPY)(other)
        assert given.training
        assert other.training

    def test_refuses_outputs_of_another_shape_or_not_finite(self) -> None:
        judge = HeldOutDivergence(linear(0), images(3), CROSS_ENTROPY)
        with pytest.raises(ModelError, match="cannot be compared"):
            judge(nn.Linear(4, 2))
        broken = linear(1)
        nn.init.constant_(broken.bias, float("nan"))
        with pytest.raises(ModelError, match="not finite"):
            judge(broken)

    def test_refuses_labels_that_the_outputs_do_not_have(self) -> None:
        with pytest.raises(DataError, match="label 2, the network has 2 outputs"):
            HeldOutDivergence(nn.Linear(4, 2), images(3), CROSS_ENTROPY)


class TestClearlyBetter:
    def judged(self, *blocks: float) -> Divergence:
        return Divergence(np.array(blocks))

    def test_beyond_the_standard_error_of_the_difference(self) -> None:
        """Gains of 1 and 3: mean 2, standard deviation sqrt 2, standard error 1."""
        other = self.judged(10.0, 10.0)
        assert self.judged(9.0, 7.0).clearly_better(other)
        # Gains of -1 and 3: mean 1, standard error 2.
        assert not self.judged(11.0, 7.0).clearly_better(other)
        # Gains of 0 and 2: mean and standard error are both 1.
        assert not self.judged(10.0, 8.0).clearly_better(other)

    def test_differences_count_not_levels(self) -> None:
        """Images differ far more than networks do; the same gain on each is certain."""
        other = self.judged(1.0, 100.0, 10000.0)
        assert self.judged(0.5, 99.5, 9999.5).clearly_better(other)

    def test_is_not_the_same_or_worse(self) -> None:
        divergence = self.judged(1.0, 2.0)
        assert not divergence.clearly_better(divergence)
        assert not self.judged(2.0, 3.0).clearly_better(divergence)

    def test_of_one_part_any_gain_counts(self) -> None:
        assert self.judged(1.0).clearly_better(self.judged(1.1))
        assert not self.judged(1.1).clearly_better(self.judged(1.0))
