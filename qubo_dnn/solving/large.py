"""Solve models of more than a million variables, which stay arrays from the file to the answer."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.backend import Backend, SparseBackend, make_options
from qubo_dnn.errors import OptionError, UnsupportedProblemError
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.sparse_model import MOST_LABELLED, SparseModel, SparseSamples
from qubo_dnn.support.arguments import checked
from qubo_dnn.support.plain import plain


@dataclass(frozen=True, eq=False)
class LargeSolution:
    """The best state of a large model.

    Attributes:
        objective: its value, in float64, computed from the model.
        state: [n] int8, values of the model's vartype.
        samples: all states that were asked for.
        backend, seed: name of the backend and seed; with equal options and `num_sweeps` they reproduce the state.
        seconds: wall-clock seconds of the search.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> model = SparseModel(np.zeros(2), np.array([0]), np.array([1]), np.array([-1.0]), vartype="SPIN")
        >>> solve_large(model, get_backend("pt"), {"seed": 1}).objective
        -1.0
    """

    objective: float
    state: NDArray[np.int8]
    samples: SparseSamples
    backend: str
    seed: int | None
    seconds: float

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended the search early; the state is then the best one so far."""
        return bool(self.samples.info.get("interrupted", False))

    def save(self, path: Path) -> None:
        """Write all states as an archive of NumPy, whole or not at all: `states` [k, n] int8 and `energies` [k].

        Raises:
            OptionError: the name does not end in .npz.
            OutputError: the file cannot be written.
        """
        check_states(path)
        stream = io.BytesIO()
        np.savez(stream, states=self.samples.states, energies=self.samples.energies)
        write_atomically(path, stream.getvalue())

    def to_dict(self) -> dict[str, Any]:
        """Return the record of the search as plain data, without the state."""
        return {
            "objective": self.objective,
            "backend": self.backend,
            "seed": self.seed,
            "interrupted": self.interrupted,
            "seconds": self.seconds,
            "diagnostics": plain(dict(self.samples.info)),
        }


def check_states(path: Path) -> None:
    """Check the name of a file of states before they are drawn.

    Raises:
        OptionError: the name does not end in .npz.

    Example:
        >>> check_states(Path("states.csv"))
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: states of a model without labels are written as .npz, not '.csv'
    """
    if path.suffix != ".npz":
        raise OptionError(f"states of a model without labels are written as .npz, not {path.suffix!r}")


@checked
def solve_large(model: SparseModel, backend: Backend, options: Mapping[str, Any] | None = None) -> LargeSolution:
    """Solve a large model with a backend that takes arrays.

    Args:
        model: of either vartype and sense; arrays may be mapped from a file.
        backend: see `qubo_dnn.registry.get_backend`.
        options: options of the backend, such as `time_limit` in seconds, which includes all preparation.

    Raises:
        UnsupportedProblemError: the backend takes no arrays, or the model does not fit into memory.
        OptionError: an option is unknown, out of range or does not apply.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> chain = np.arange(999)
        >>> model = SparseModel(np.zeros(1000), chain, chain + 1, np.ones(999), vartype="SPIN", sense="max")
        >>> found = solve_large(model, get_backend("pt"), {"seed": 1, "num_sweeps": 2000})
        >>> found.objective > 950
        True
    """
    if not isinstance(backend, SparseBackend):
        raise UnsupportedProblemError(
            f"backend {backend.name!r} takes no models of more than {MOST_LABELLED:,} variables, and this one has "
            f"{model.num_variables:,}; 'pt' does"
        )
    started = time.perf_counter()
    settings = make_options(backend, {} if options is None else options)
    samples = backend.sample_sparse(model, settings)
    return LargeSolution(
        objective=float(samples.energies[0]),
        state=samples.states[0],
        samples=samples,
        backend=backend.name,
        seed=samples.info.get("seed", settings.seed),
        seconds=time.perf_counter() - started,
    )
