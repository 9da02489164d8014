"""What a run of QAOA shows: its search, its angles, its energies beside random ones, and its circuit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dimod
import numpy as np

from qubo_backends._qaoa.gates import Gate, columns
from qubo_backends._qaoa.states import Bits
from qubo_dnn.pictures.picture import Picture, Series, Value

_BINS = 32


def distribution(bqm: dimod.BinaryQuadraticModel, measured: Bits, random: Bits) -> dict[str, list[float]]:
    """Histograms of energies.

    Args:
        bqm: of either vartype over 0, ..., n - 1.
        measured: [shots, n] values of the variables.
        random: [rows, n] the same, drawn uniformly.

    Returns:
        edges of the bins; shares of the shots (measured) and of the uniform states (random) in each.
    """
    low = 2 * measured - 1, 2 * random - 1
    energies = [
        bqm.energies((rows if bqm.vartype is dimod.SPIN else bits, range(bqm.num_variables)))
        for rows, bits in zip(low, (measured, random), strict=True)
    ]
    everything = np.concatenate(energies)
    first, last = float(everything.min()), float(everything.max())
    edges = np.linspace(first, last if last > first else first + 1.0, _BINS + 1)
    shares = [np.histogram(each, edges)[0] / len(each) for each in energies]
    return {"edges": edges.tolist(), "measured": shares[0].tolist(), "random": shares[1].tolist()}


def pictures(info: Mapping[str, Any]) -> list[Picture]:
    """All that `info` of an answer has data for."""
    drawn = []
    if info.get("convergence"):
        drawn.append(_convergence(info["convergence"]))
    if info.get("gammas"):
        drawn.append(_angles(info["gammas"], info["betas"]))
    if info.get("distribution"):
        drawn.append(_energies(info["distribution"]))
    if info.get("circuit"):
        gates = [Gate(name, tuple(where)) for name, where in info["circuit"]]
        drawn.append(_circuit(gates, int(info["qubits"]), int(info["depth"])))
    return drawn


def _convergence(values: Sequence[float]) -> Picture:
    best = np.minimum.accumulate(values)
    numbers = list(range(1, len(values) + 1))
    series = [Series("tried", numbers, list(values), "points"), Series("best so far", numbers, best.tolist())]
    note = f"From {values[0]:.6g} at the first angles to {best[-1]:.6g}."
    return Picture("convergence", "Search for the angles", "evaluation", "expected energy", series, note=note)


def _angles(gammas: Sequence[float], betas: Sequence[float]) -> Picture:
    layers = list(range(1, len(gammas) + 1))
    series = [Series("gamma", layers, list(gammas)), Series("beta", layers, list(betas))]
    note = "Gammas are in units of what a spin typically feels, so that they fit other problems too."
    return Picture("angles", "Angles", "layer", "radians", series, note=note)


def _energies(found: Mapping[str, Sequence[float]]) -> Picture:
    edges = np.asarray(found["edges"])
    middles = ((edges[1:] + edges[:-1]) / 2.0).tolist()
    series = [
        Series("measured", middles, list(found["measured"]), "bars"),
        Series("random states", middles, list(found["random"])),
    ]
    note = "What the circuit gains over drawing states at random."
    return Picture("energies", "Energies", "energy of the model", "share of the states", series, note=note)


def _circuit(gates: Sequence[Gate], qubits: int, depth: int) -> Picture:
    """Start and first layer; wires from the top down."""
    places = columns(qubits, gates).tolist()
    width = max(places, default=0) + 1
    wires_x: list[Value] = []
    wires_y: list[Value] = []
    for qubit in range(qubits):
        wires_x += [-1, width, None]
        wires_y += [-qubit, -qubit, None]
    series = [Series("", wires_x, wires_y, faint=True)]
    for name in sorted({gate.name for gate in gates}):
        mine = [(place, gate) for place, gate in zip(places, gates, strict=True) if gate.name == name]
        x: list[Value] = []
        y: list[Value] = []
        if len(mine[0][1].qubits) == 2:
            for place, gate in mine:
                x += [place, place, None]
                y += [-gate.qubits[0], -gate.qubits[1], None]
            series.append(Series(name, x, y))
        else:
            series.append(Series(name, [place for place, _ in mine], [-gate.qubits[0] for _, gate in mine], "points"))
    note = f"The start and the first of {depth} layers, before transpilation; wires are qubits, the first on top."
    return Picture("circuit", "Circuit", "column of gates", "qubit, downwards", series, note=note)
