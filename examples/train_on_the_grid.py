"""For those who train networks: compress to 2 bits, then train on the grids of the plan with an ordinary loop."""

import torch
from torch import Tensor
from torch.nn import functional

import qubo_dnn as qd
from qubo_dnn.zoo.mnist_cnn import load_network, load_splits

splits, network = load_splits(), load_network()  # three disjoint parts: to train on, to compress with, to test on
smaller = qd.compress(network, splits.calibration, "2bits", test=splits.test, rounds=1)


def varied(images: Tensor) -> Tensor:
    """Images (N, 1, 28, 28), each turned by up to 15 degrees, scaled by up to 15 %, and shifted by up to two pixels."""
    angle, scale = torch.empty(len(images)).uniform_(-15, 15).deg2rad(), torch.empty(len(images)).uniform_(0.85, 1.15)
    cos, sin, shift = scale * angle.cos(), scale * angle.sin(), torch.empty(len(images), 2).uniform_(-0.15, 0.15)
    rows = torch.stack((cos, -sin, shift[:, 0], sin, cos, shift[:, 1]), 1).view(-1, 2, 3)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


# The loop knows nothing of bits. Here the given network is the teacher, so that no labels are needed.
torch.manual_seed(0)
module, epochs, batch = smaller.to_qat().train(), 8, 100
images = next(splits.train.batches(len(splits.train)))[0].only
optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * len(images) // batch)
for _ in range(epochs):
    for chosen in torch.randperm(len(images)).view(-1, batch):
        inputs = varied(images[chosen])
        with torch.no_grad():
            taught = network(inputs).log_softmax(1)
        loss = functional.kl_div(module(inputs).log_softmax(1), taught, log_target=True, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        optimizer.step()
        schedule.step()

trained = smaller.from_qat(module)
trained.save("trained", overwrite=True)  # the packed file; trained.to_onnx("trained.onnx") writes it as ONNX

before, after = smaller.to_dict(), trained.to_dict()
assert after["compressed"]["bytes"] == before["compressed"]["bytes"]
accuracies = (before["reference"]["accuracy"], before["compressed"]["accuracy"], after["compressed"]["accuracy"])
given, compressed, final = (round(len(splits.test) * accuracy) for accuracy in accuracies)
print(f"right of {len(splits.test)} test images, as given: {given}")
print(f"at 2 bits: {compressed}")
print(f"after training at 2 bits: {final} ({final - compressed:+d})")
