"""What `reinforcement` trains its policies with."""

from __future__ import annotations

import pytest
import torch

from qubo_backends._reinforcement.training import Adam


@pytest.mark.slow  # the optimizer of torch takes seconds to load
def test_the_optimizer_takes_the_steps_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(shape, generator=generator, requires_grad=True) for shape in ((3, 2), (2,))]
    theirs = [each.detach().clone().requires_grad_() for each in ours]
    optimizer, reference = Adam(ours, 0.03), torch.optim.Adam(theirs, lr=0.03)
    for _ in range(20):
        for parameters in (ours, theirs):
            loss = torch.stack([((each - 1.0) ** 4).sum() for each in parameters]).sum()
            for each, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                each.grad = gradient
        optimizer.step()
        reference.step()
        reference.zero_grad()
    assert all(map(torch.equal, ours, theirs))
