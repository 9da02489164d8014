"""
From a network to a faster ONNX file
====================================

A compressed network becomes a file that stock onnxruntime runs anywhere. This tutorial measures what it gains, in bytes
and in time.
"""

# %%
# Compress
# --------
#
# The budget is half of the multiply-accumulates. Pruned channels leave the file, and fewer channels are faster, while
# fewer bits are smaller. So the options are 0 bits, which is pruned, and 8 bits.
import tempfile
from pathlib import Path

import qubo_dnn as qd
from qubo_dnn import zoo

digits = zoo.load("mnist-cnn")
smaller = qd.compress(
    digits.module,
    digits.calibration,
    "50%macs",
    test=digits.test,
    options="0,8",
    granularity="group:8",
    calibration_size=128,
    rounds=1,
    seed=0,
)
figures = smaller.to_dict()
print(f"accuracy {figures['compressed']['accuracy']:.1%}, before {figures['reference']['accuracy']:.1%}")

# %%
# Write the files
# ---------------
#
# A ``small`` file holds integers that become float32 when it is loaded. In a ``fast`` file, convolutions and matrix
# products run in integers of 8 bits. Before a file is written, its outputs are compared with those of torch.
folder = Path(tempfile.mkdtemp())
files = {form: smaller.to_onnx(folder / f"{form}.onnx", form=form) for form in ("small", "fast")}
for form, file in files.items():
    print(f"{form}: {file.bytes:,} bytes, {file.bytes / file.fp32_bytes:.1%} of the float32 file")

# %%
# Measure
# -------
#
# ``to_onnx`` also runs both networks in turns, with one thread and one sample, and keeps the medians. A ratio below 1
# is a gain. It depends on the processor: this one is that of the machine that built the page.
for form, file in files.items():
    print(f"{form}: {file.latency.after / file.latency.before:.2f} of the time of the float32 file")

# %%
# Use it
# ------
#
# Any onnxruntime will do; nothing of this package is needed. The batch may have any size.
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(folder / "fast.onnx", providers=["CPUExecutionProvider"])
images, labels = next(digits.test.batches(200))
logits = session.run(None, {session.get_inputs()[0].name: images.only.numpy()})[0]
right = int((logits.argmax(axis=1) == np.asarray(labels)).sum())
print(f"{right} of {len(logits)} test images are read correctly by onnxruntime")

# %%
# Both gains in one picture.
import matplotlib.pyplot as plt

figure, (left, right_axes) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for axes, title, values in (
    (left, "bytes", [file.bytes / file.fp32_bytes for file in files.values()]),
    (right_axes, "time", [file.latency.after / file.latency.before for file in files.values()]),
):
    bars = axes.bar(["float32", *files], [1.0, *values], color=["lightgrey", "tab:blue", "tab:orange"])
    axes.bar_label(bars, fmt="%.2f")
    axes.set_title(f"{title}, relative to float32")
    axes.set_ylim(0, 1.35)
plt.show()
