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

layers = {layer["layer"]: layer for layer in figures["layers"]}
