"""What `qubo-dnn solve` does with a model that is too large for labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qubo_dnn.backend import Backend
    from qubo_dnn.loading import LoadedArrays
    from qubo_dnn.solving.large import LargeSolution

_SHOWN = ("format", "sense", "objective", "backend", "seed", "variables", "interactions", "interrupted")


def solve_arrays(
    loaded: LoadedArrays,
    backend: Backend,
    options: Mapping[str, Any],
    save: Path | None,
    refused: Mapping[str, object],
) -> LargeSolution:
    """Solve a model.

    Args:
        loaded: the model and its file.
        backend: takes arrays.
        options: options of the backend, as typed.
        save: file for the states, or None.
        refused: options that do not apply to such models -> value; None: not given.

    Raises:
        OptionError: one of `refused` is given, or the states would be no archive of NumPy.
        UnsupportedProblemError: the backend takes no arrays, or the model does not fit into memory.
    """
    from qubo_dnn.errors import OptionError
    from qubo_dnn.solving.large import check_states, solve_large

    for name, value in refused.items():
        if value is not None:
            raise OptionError(f"{name} does not apply to a model of {loaded.model.num_variables:,} variables")
    if save is not None:
        check_states(save)
    return solve_large(loaded.model, backend, options)


def write_arrays(
    source: str,
    loaded: LoadedArrays,
    solution: LargeSolution,
    loading: float,
    json_file: Path | None,
    save: Path | None,
) -> None:
    """Print an answer without its state, which is one byte per variable, and write it where asked.

    Args:
        source: the source as typed.
        loaded: the model that it names.
        solution: solution of this model.
        loading: seconds for reading.
        json_file: see `qubo-dnn solve --json`.
        save: file for the states, or None.

    Raises:
        OutputError: a file cannot be written.
    """
    from qubo_dnn.cli.common.output import print_lines, write_json

    model = loaded.model
    result = {
        "source": source,
        "format": loaded.format,
        "sense": model.sense,
        **solution.to_dict(),
        "variables": model.num_variables,
        "interactions": model.num_interactions,
        "bytes": model.nbytes,
        "seconds": {"load": loading, "solve": solution.seconds},
    }
    if json_file is not None:
        write_json(json_file, result)
    if json_file is None or str(json_file) != "-":
        for name in _SHOWN:
            if result[name] or name == "objective":
                print_lines(f"{name:<13} {_text(result[name])}")
        print_lines(f"seconds       load {loading:.2f}, solve {solution.seconds:.2f}")
        if save is None:
            print_lines("              --save FILE.npz writes the state")
    if save is not None:
        solution.save(save)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
