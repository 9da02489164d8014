"""
Report of a network
===================

What did a compression do to a network, layer by layer? The report is a page that opens in any browser; its main figures
are drawn here.
"""

# %%
# The network is ``mnist-cnn``, which ships with the package. ``report`` writes the page; ``to_dict`` has its figures.
# See :doc:`/how-to/inspect-and-report`.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import qubo_dnn as qd
from qubo_dnn import zoo

digits = zoo.load("mnist-cnn")
smaller = qd.compress(
    digits.module,
    digits.calibration,
    "2.5bits",
    test=digits.test,
    options="0,2,3,4,6",
    granularity="group:4",
    calibration_size=128,
    rounds=1,
    seed=0,
)
page = smaller.report(Path(tempfile.mkdtemp()) / "report.html")
figures = smaller.to_dict()
layers = figures["layers"]
print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
print(f"accuracy {figures['compressed']['accuracy']:.1%}, before {figures['reference']['accuracy']:.1%}")

# %%
# The layers and what is left alone make up the whole network, and the budget is kept.
assert figures["compressed"]["bits_per_weight"] <= 2.5
assert all(sum(layer["widths"].values()) == layer["shape"][0] for layer in layers)

# %%
# Left: the widths of the channels of every layer; 0 bits are pruned. Right: the bytes of the layers, and how much they
# were predicted to add to the loss. A share below 0 is an error that cancels those of other layers.
names = [layer["name"] for layer in layers]
widths = sorted({int(width) for layer in layers for width in layer["widths"]})
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 4), sharey=True, layout="constrained")
start = [0] * len(layers)
for place, width in enumerate(widths):
    counts = [layer["widths"].get(str(width), 0) for layer in layers]
    color = plt.colormaps["viridis_r"](place / max(len(widths) - 1, 1))
    left.barh(names, counts, left=start, color=color, label=f"{width} bits")
    start = [one + other for one, other in zip(start, counts, strict=True)]
middle.barh(names, [layer["bytes"] / 1000 for layer in layers], color="tab:blue")
right.barh(names, [100 * layer["predicted_share"] for layer in layers], color="tab:orange")
left.invert_yaxis()
left.set_xlabel("channels")
middle.set_xlabel("size (kB)")
right.set_xlabel("share of the predicted loss (%)")
figure.legend(loc="outside lower center", ncols=len(widths), frameon=False)
figure.suptitle(f"{figures['compressed']['bits_per_weight']:.2f} bits per weight")
plt.show()
