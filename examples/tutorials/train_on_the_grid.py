"""
Train at two bits
=================

At two bits, a network loses some accuracy. Training wins it back: the widths and grids of the plan stay as they are,
and an ordinary loop moves the weights from one point of the grid to another.
"""

# %%
# Compress
# --------
#
# Three disjoint parts of the data: to train on, to compress with, and to test on.
import torch
from torch import Tensor
from torch.nn import functional

import qubo_dnn as qd
from qubo_dnn.zoo.mnist_cnn import load_network, load_splits

splits, network = load_splits(), load_network()
smaller = qd.compress(network, splits.calibration, "2bits", test=splits.test, rounds=1)


# %%
# Train
# -----
#
# ``to_qat`` gives a plain module, whose outputs are those of the compressed network, bit for bit. The loop knows
# nothing of bits. The given network is the teacher, so that no labels are needed.
def varied(images: Tensor) -> Tensor:
    """Images (N, 1, 28, 28), each turned by up to 15 degrees, scaled by up to 15 %, and shifted by up to two pixels."""
    angle, scale = torch.empty(len(images)).uniform_(-15, 15).deg2rad(), torch.empty(len(images)).uniform_(0.85, 1.15)
    cos, sin, shift = scale * angle.cos(), scale * angle.sin(), torch.empty(len(images), 2).uniform_(-0.15, 0.15)
    rows = torch.stack((cos, -sin, shift[:, 0], sin, cos, shift[:, 1]), 1).view(-1, 2, 3)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


epochs, batch = 3, 100
torch.manual_seed(0)
module = smaller.to_qat().train()
images = next(splits.train.batches(len(splits.train)))[0].only
optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * len(images) // batch)
losses = []
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
        losses.append(loss.item())

# %%
# Take it back
# ------------
#
# ``from_qat`` measures everything anew. The size is the same. ``trained.save("trained")`` and
# ``trained.to_onnx("trained.onnx")`` write the trained network.
trained = smaller.from_qat(module)
before, after = smaller.to_dict(), trained.to_dict()
assert after["compressed"]["bytes"] == before["compressed"]["bytes"]
accuracies = (before["reference"]["accuracy"], before["compressed"]["accuracy"], after["compressed"]["accuracy"])
given, compressed, final = (round(len(splits.test) * accuracy) for accuracy in accuracies)
print(f"right of {len(splits.test)} test images, as given: {given}")
print(f"at 2 bits: {compressed}")
print(f"after training at 2 bits: {final} ({final - compressed:+d})")

# %%
# The divergence from the teacher, batch by batch. Eight epochs, in place of three, win a little more; see
# :doc:`/how-to/train-further`.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
axes.semilogy(losses)
axes.set_xlabel("batch")
axes.set_ylabel("divergence from the teacher")
axes.set_title(f"{compressed} right before the training, {final} after it")
plt.show()
