"""CLADO: losses measured for every pair of layers and options, an integer quadratic program."""

from __future__ import annotations

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.constraint import Constraint
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve


def cross_layer_matrix(base: float, losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The measured second-order matrix, projected onto the positive semidefinite ones.

    Omega[im, jn] = L(i at m, j at n) - L(i at m) - L(j at n) + L for layers i != j, Omega[im, im] = 2 (L(i at m) - L),
    and 0 for two options of one layer, which are never chosen together; so 1/2 x' Omega x is the loss increase of a
    choice x of one or two layers, exactly. Negative eigenvalues are then set to zero.

    Args:
        base: loss of the network as it is.
        losses: [layers, options, layers, options], symmetric; the diagonal has the loss of one changed layer, and
            other entries of one layer are not read.

    Returns:
        [layers * options] squared, symmetric.
    """
    layers, options = losses.shape[:2]
    single = np.einsum("imim->im", losses)
    omega = losses - single[:, :, None, None] - single[None, None] + base
    for layer in range(layers):
        omega[layer, :, layer] = np.diag(2.0 * (single[layer] - base))
    matrix = omega.reshape(layers * options, -1)
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def clado(task: CompressionTask, matrix: NDArray[np.float64], reads: int, seed: int) -> NDArray[np.intp]:
    """Minimise 1/2 x' matrix x over one-hot choices x within the limit, by parallel tempering.

    Args:
        task: one unit per layer; gives cost and limit.
        matrix: [U*K, U*K] of `cross_layer_matrix`.
        reads: independent runs.
        seed: of the solver.

    Raises:
        BudgetError: no choice meets the limit.

    Source: Deng et al. 2023/2025, "Mixed-Precision Quantization for Deep Vision Models with Integer Quadratic
    Programming" (arXiv 2307.05657), which solves the program with a commercial solver.
    """
    task.check_reachable()
    problem = _quadratic_problem(task, matrix)
    return solve(problem, get_backend("pt"), {"seed": seed, "num_reads": reads}).best.value


def _quadratic_problem(task: CompressionTask, matrix: NDArray[np.float64]) -> Problem[NDArray[np.intp]]:
    units, options = task.cost.shape
    labels = [(unit, option) for unit in range(units) for option in range(options)]
    together = np.triu(matrix, 1) * (1.0 - np.kron(np.eye(units), np.ones((options, options))))
    objective = dimod.BinaryQuadraticModel(0.5 * matrix.diagonal(), together, dimod.BINARY)
    objective.relabel_variables(dict(enumerate(labels)))
    stored = dimod.BinaryQuadraticModel(
        dict(zip(labels, task.cost.ravel().tolist(), strict=True)), {}, float(task.overhead), dimod.BINARY
    )
    return Problem(
        objective=objective,
        decoder=lambda sample: np.array(
            [np.argmax([sample[unit, k] for k in range(options)]) for unit in range(units)]
        ),
        one_hot={f"unit {unit}": tuple(labels[unit * options : (unit + 1) * options]) for unit in range(units)},
        constraints={"budget": Constraint(stored, "<=", float(task.limit))},
    )
