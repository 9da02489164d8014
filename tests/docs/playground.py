"""The files and the names that code on the pages speaks of, as small as will do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import dimod
import networkx as nx
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

import qubo_dnn as qd

_NETWORK = '''"""A residual network as small as will do."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24)
        self.conv2, self.bn2 = nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.layer1 = nn.Conv2d(3, 24, 3, padding=1), Block()
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        return self.head(self.layer1(torch.relu(self.conv1(x))).mean((2, 3)))


def resnet20():
    return Network()
'''
_MODEL = """import dimod


def build():
    return dimod.generators.ran_r(1, 12, seed=3)
"""
_LP = """Minimize
 cost: - x - 2 y + z
Subject To
 weight: 2 x + 3 y + z <= 4
Binary
 x y z
End
"""
_BERLIN = [(565, 575), (25, 185), (345, 750), (945, 685), (845, 655), (880, 660)]


def names() -> dict[str, Any]:
    """A network, and inputs and labels of it."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 4)),
    ).eval()
    return {"network": network, "images": torch.randn(64, 1, 8, 8), "labels": torch.arange(64) % 4}


def fill(folder: Path) -> None:
    """Write the files."""
    package = folder / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "nets.py").write_text(_NETWORK)
    made: dict[str, Any] = {}
    exec(_NETWORK, made)
    torch.manual_seed(0)
    save_file(made["resnet20"]().state_dict(), folder / "w.safetensors")
    rng = np.random.default_rng(0)
    for name, count in (("c", 64), ("t", 32)):
        images, labels = rng.integers(0, 256, (count, 8, 8, 3), np.uint8), rng.integers(0, 5, count)
        np.savez(folder / f"{name}.npz", x=images, y=labels)
    costs = [
        f"{layer},{bits},{bits}" for layer in ("conv1", "layer1.conv1", "layer1.conv2", "head") for bits in (2, 4, 8)
    ]
    (folder / "latency.csv").write_text("\n".join(["layer,option,cost", *costs]) + "\n")
    graph = nx.gnm_random_graph(16, 30, seed=1)
    lines = [f"{len(graph)} {graph.number_of_edges()}", *(f"{u + 1} {v + 1} 1" for u, v in graph.edges)]
    text = "\n".join(lines) + "\n"
    (folder / "graph.txt").write_text(text)
    (folder / "G.txt").write_text(text)
    (folder / "G14.txt.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "items.json").write_text(json.dumps({"values": [6, 5, 4, 3], "weights": [30, 20, 20, 11]}))
    flow, distance = (rng.integers(0, 9, (5, 5)) for _ in range(2))
    rows = [" ".join(map(str, row)) for matrix in (flow, distance) for row in matrix]
    (folder / "nug12.dat").write_text("\n".join(["5", *rows]) + "\n")
    (folder / "model.py").write_text(_MODEL)
    (folder / "model.lp").write_text(_LP)
    qd.write(dimod.generators.ran_r(1, 10, seed=7).change_vartype("BINARY", inplace=False), folder / "model.qubo")
    cities = [f"{number} {x} {y}" for number, (x, y) in enumerate(_BERLIN, 1)]
    head = [f"DIMENSION : {len(cities)}", "EDGE_WEIGHT_TYPE : EUC_2D", "NODE_COORD_SECTION"]
    (folder / "berlin52.tsp").write_text("\n".join(["NAME : berlin52", "TYPE : TSP", *head, *cities, "EOF"]) + "\n")
