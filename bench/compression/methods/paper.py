"""The paper's Hamiltonian at its best beta."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.task import CompressionTask, check_compression
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve

FORMULATION = "aqc-pruning-quantization"
BETAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


def paper(
    task: CompressionTask,
    divergence: Callable[[NDArray[np.intp]], float],
    seed: int,
    betas: Sequence[float] = BETAS,
    backend: str = "neal",
) -> tuple[NDArray[np.intp], float]:
    """The plan of least divergence among those of several weights beta of the quantization loss.

    H = L_p + beta L_q - gamma R looks at weights alone and leaves beta open. The grid is judged by the divergence of
    the rewritten network on held-out images, which flatters this method's own figure on them.

    Args:
        task: single filters with the options 0 to 8 bits.
        divergence: of a choice's network from the original one, on held-out images.
        seed: of the backend.
        betas: the grid.
        backend: any; `neal` is the fastest of those that do well here.

    Returns:
        The choice and its beta.

    Source: arXiv 2505.16332; see `qubo_formulations.aqc_pruning_quantization` for what is completed there.
    """
    formulation = check_compression(get_formulation(FORMULATION))
    found = []
    for beta in betas:
        problem = formulation.from_task(task, beta=beta).compile()
        choice = task.choice(solve(problem, get_backend(backend), {"seed": seed}).best.value)
        found.append((divergence(choice), beta, choice))
    _, beta, choice = min(found, key=lambda entry: entry[:2])
    return choice, beta
