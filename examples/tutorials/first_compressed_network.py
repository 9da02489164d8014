"""
A first compressed network
==========================

Which weights of a network can do with how few bits? The loss is nearly a quadratic function of these choices, so the
answer is a QUBO with a budget.
"""

# %%
# A network and images of it
# --------------------------
#
# ``mnist-cnn`` is a small network that reads digits, and ships with the package. Any torch module with a few hundred
# inputs will do; labels are not needed.
import qubo_dnn as qd
from qubo_dnn import zoo

digits = zoo.load("mnist-cnn")
print(digits.module)

# %%
# Compress it
# -----------
#
# The budget is an average of three bits for every weight. Here, eight filters at a time share a choice, which is quick;
# by default, every filter has its own. The test images are for the final figures alone.
smaller = qd.compress(
    digits.module,
    digits.calibration,
    "3bits",
    test=digits.test,
    granularity="group:8",
    calibration_size=128,
    rounds=1,
    seed=0,
)
figures = smaller.to_dict()
before, after = figures["reference"], figures["compressed"]
print(f"bits per weight: {after['bits_per_weight']:.2f} in place of 32")
print(f"bytes: {after['bytes']:,} in place of {before['bytes']:,}")
print(f"accuracy: {after['accuracy']:.1%} in place of {before['accuracy']:.1%}")

# %%
# What it chose
# -------------
#
# A bar is a layer, and its colours are the shares of its weights with so many bits; 0 bits are pruned.
import matplotlib.pyplot as plt

layers = figures["layers"]
widths = sorted({int(width) for layer in layers for width in layer["widths"]})
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
shades = plt.colormaps["viridis_r"]
start = [0.0] * len(layers)
for place, width in enumerate(widths):
    shares = [layer["widths"].get(str(width), 0) / sum(layer["widths"].values()) for layer in layers]
    color = shades(place / max(len(widths) - 1, 1))
    axes.barh([layer["name"] for layer in layers], shares, left=start, color=color, label=f"{width} bits")
    start = [one + other for one, other in zip(start, shares, strict=True)]
axes.invert_yaxis()
axes.set_xlim(0, 1)
axes.set_xlabel("share of the channels")
axes.set_title(f"{after['bits_per_weight']:.2f} bits per weight")
figure.legend(loc="outside right center", frameon=False)
plt.show()

# %%
# Keep it
# -------
#
# ``save`` writes the network, its plan and the record of the search. In ``model.safetensors``, a weight of three bits
# takes three bits. ``load_compressed_`` reads it into any module of the same architecture, bit for bit.
import copy
import tempfile
from pathlib import Path

import torch

folder = Path(smaller.save(Path(tempfile.mkdtemp()) / "small"))
print({path.name: path.stat().st_size for path in sorted(folder.iterdir())})

network = copy.deepcopy(digits.module)
qd.load_compressed_(network, folder / "model.safetensors")
images = next(digits.test.batches(10))[0].only
with torch.no_grad():
    assert torch.equal(network.eval()(images), smaller.model.eval()(images))

# %%
# The page :doc:`/how-to/compress` says what happens in between, and :doc:`/how-to/budgets` what can be asked for.
