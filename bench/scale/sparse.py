"""Sparse models from a file to an answer: seconds, and peak memory as a multiple of the arrays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import measured, one_thread
from bench.scale.instances import Lattice, write_coo, write_npz
from bench.tables import Table
from qubo_dnn.sparse_model import SparseModel

_WRITERS = {"coo": write_coo, "npz": write_npz}

SPARSE = Table(
    "file | variables | couplings | file, MiB | arrays, MiB | read, s | read: peak / arrays | solve, s | sweeps "
    "| s a sweep | energy a variable | all: peak, GiB | peak / arrays",
    "{form} | {variables:,} | {couplings:,} | {file_mib:.0f} | {arrays_mib:.0f} | {read_seconds:.1f} "
    "| {read_multiple:.1f} | {solve_seconds:.0f} | {sweeps} | {sweep_seconds:.3f} | {energy:.4f} | {peak_gib:.2f} "
    "| {multiple:.1f}",
    "Sparse models",
    "Spin glasses on cubic lattices with random labels (three couplings per variable; least energy about -1.787 per "
    "variable), and one with more couplings, read by `qubo_dnn.files.large` and annealed by `pt` within a time limit, "
    "on one thread. Seconds are of CPU time. Peak memory is that of a process of its own; multiples are of the arrays, "
    "beyond a process that does the same with 1,000 variables. Pages of an `.npz` that is mapped count in the peak, "
    "but the system may drop them.",
)


@dataclass(frozen=True)
class SparseRow:
    """One file.

    Attributes:
        form: "coo" or "npz".
        variables, couplings: of the model.
        file_mib, arrays_mib: size of the file, and of the arrays of `SparseModel`.
        read_seconds: CPU seconds of reading.
        read_multiple: peak memory of reading beyond that of a tiny file, in sizes of the arrays.
        solve_seconds: CPU seconds of solving.
        sweeps: of the annealing.
        sweep_seconds: CPU seconds of one.
        energy: of the best state, per variable.
        peak_gib: peak memory of the process that read and solved.
        multiple: the same beyond that of a tiny file, in sizes of the arrays.
    """

    form: str
    variables: int
    couplings: int
    file_mib: float
    arrays_mib: float
    read_seconds: float
    read_multiple: float
    solve_seconds: float
    sweeps: int
    sweep_seconds: float
    energy: float
    peak_gib: float
    multiple: float


def read(path: Path) -> tuple[int, float]:
    """Read a file; the size of its arrays, and CPU seconds."""
    model, seconds = _model(path)
    return model.nbytes, seconds


def solved(path: Path, time_limit: float, seed: int) -> tuple[float, float, float, int, float]:
    """Read a file and solve it: CPU seconds of both, the energy, and sweeps with their CPU seconds."""
    from qubo_dnn.registry import get_backend
    from qubo_dnn.solving.large import solve_large

    model, read_seconds = _model(path)
    backend, started = get_backend("pt"), time.process_time()
    found = solve_large(model, backend, {"time_limit": time_limit, "seed": seed})
    seconds, sweeps = time.process_time() - started, found.samples.info["sweeps"][0]
    # Seconds of sweeps are wall-clock; on a machine that does other work too, CPU time is less by the same share.
    share = seconds / found.seconds
    sweeping = sweeps * model.num_variables / found.samples.info["flips_per_second"]
    return read_seconds, seconds, found.objective, sweeps, share * sweeping / max(sweeps, 1)


def compiled(path: Path) -> None:
    """Compile whatever reading and solving use, so that no process that is measured does."""
    from qubo_dnn.support.jit import compiling_here

    with compiling_here():
        solved(path, 0.1, 0)


def _model(path: Path) -> tuple[SparseModel, float]:
    one_thread()
    from qubo_dnn.files.common.text import TextFile
    from qubo_dnn.files.large import read_large_coo, read_large_npz

    started = time.process_time()
    file = TextFile(path, 1 << 40)
    model = read_large_coo(file, 0) if path.suffix == ".coo" else read_large_npz(file, 0)
    assert isinstance(model, SparseModel)  # no number of variables is too small for one
    return model, time.process_time() - started


def sparse_rows(sizes: list[tuple[str, Lattice]], folder: Path, time_limit: float) -> Iterator[SparseRow]:
    """Write, read and solve instances one after the other; their files are removed again.

    Args:
        sizes: "coo" or "npz", and the instance.
        folder: for the files.
        time_limit: wall-clock seconds of solving.
    """
    tiny = folder / "tiny.coo"
    write_coo(Lattice(1000), tiny)
    measured(compiled, tiny)
    base_read, base = measured(read, tiny).peak_bytes, measured(solved, tiny, 1.0, 0).peak_bytes
    tiny.unlink()
    for form, lattice in sizes:
        path = folder / f"lattice.{form}"
        _WRITERS[form](lattice, path)
        try:
            only_read = measured(read, path)
            both = measured(solved, path, time_limit, lattice.seed)
            size = path.stat().st_size
        finally:
            path.unlink()
        (arrays, _), (read_seconds, seconds, energy, sweeps, sweep_seconds) = only_read.value, both.value
        yield SparseRow(
            form=form,
            variables=lattice.variables,
            couplings=lattice.couplings,
            file_mib=size / 2**20,
            arrays_mib=arrays / 2**20,
            read_seconds=read_seconds,
            read_multiple=(only_read.peak_bytes - base_read) / arrays,
            solve_seconds=seconds,
            sweeps=sweeps,
            sweep_seconds=sweep_seconds,
            energy=energy / lattice.variables,
            peak_gib=both.peak_gib,
            multiple=(both.peak_bytes - base) / arrays,
        )
