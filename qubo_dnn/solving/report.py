"""The page about a solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qubo_dnn.backend import Plottable
from qubo_dnn.errors import UnknownBackendError
from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.registry import get_backend
from qubo_dnn.reports.charts import chart
from qubo_dnn.reports.page import Chart, Page, Section, Table
from qubo_dnn.reports.reproduction import reproduction
from qubo_dnn.reports.solver import backend_parts, calls_parts
from qubo_dnn.reports.text import shown
from qubo_dnn.reports.writer import write_page
from qubo_dnn.solving.solution import Solution
from qubo_dnn.support.plain import plain

# Of an answer, and of the candidates beside the best one.
_VALUES, _CANDIDATES, _BINS = 300, 20, 40


def write_report(
    path: Path,
    solution: Solution[Any],
    title: str,
    about: Mapping[str, Any],
    certificate: Mapping[str, Any] | None = None,
    command: Sequence[str] = (),
) -> None:
    """Write a page about a solution.

    Args:
        path: path of the file.
        solution: the solution.
        title: title of the page.
        about: name -> value of what is known about the problem, such as its source and its sense.
        certificate: figures of a certificate, see `qubo_dnn.bounds.certificate.Certificate.figures`; None without one.
        command: words of the command line, if there was one.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the page cannot be written.

    Example:
        >>> import tempfile
        >>> from qubo_dnn.api.solving import solve
        >>> found = solve({("a", "b"): 1.0, ("a", "a"): -2.0}, "tabu", seed=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_report(Path(folder, "page.html"), found, "Two variables", {})
        ...     "feasible, objective -2" in Path(folder, "page.html").read_text()
        True
    """
    write_page(path, solution_page(solution, title, about, certificate, command))


def solution_page(
    solution: Solution[Any],
    title: str,
    about: Mapping[str, Any],
    certificate: Mapping[str, Any] | None = None,
    command: Sequence[str] = (),
) -> Page:
    """Return the page about a solution; see `write_report` for the arguments.

    Example:
        >>> from qubo_dnn.api.solving import solve
        >>> page = solution_page(solve({("a", "a"): -2.0}, "tabu", seed=1), "One variable", {})
        >>> [section.name for section in page.sections if section.parts]
        ['answer', 'solver', 'reproduce']
    """
    best = solution.best
    info = solution.sampleset.info
    solver, absent = backend_parts(info)
    drawn = [chart(picture) for picture in _pictures(solution)]
    if drawn:
        # A backend that draws its run has its own kind of course.
        absent = {}
    calls = [
        plain(
            {
                "objective": call.objective,
                "seconds": call.seconds,
                "broken": call.broken,
                "penalties": {**call.multipliers, **call.weights},
            }
        )
        for call in solution.calls
    ]
    if certificate is None:
        absent["a certificate"] = "none was asked for (--certify, or qubo_dnn.certify)"
    return Page(
        title,
        f"{'feasible' if best.feasible else 'infeasible'}, objective {best.objective:.10g}",
        [
            Section("answer", "Answer", _answer(solution)),
            Section("problem", "Problem", [Table("Problem", list(plain(about).items()))] if about else []),
            Section("certificate", "Certificate", [] if certificate is None else [certificate_table(certificate)]),
            Section("solver", "Solver", [*calls_parts(calls), *_samples(solution), *solver, *drawn]),
            reproduction(command),
        ],
        notices=notices(solution.interrupted, solution.failed),
        absent=absent,
    )


def notices(interrupted: bool, failed: str | None) -> list[str]:
    """Return what a reader has to know first about a search.

    Example:
        >>> notices(False, "no connection")
        ['A later call broke off, and the answer is the best until then: no connection']
    """
    said = []
    if interrupted:
        said.append("The search was interrupted; this is the best answer until then.")
    if failed:
        said.append(f"A later call broke off, and the answer is the best until then: {failed}")
    return said


def certificate_table(certificate: Mapping[str, Any]) -> Table:
    """Return a certificate as a table.

    Example:
        >>> figures = {"optimal": True, "infeasible": False, "bound": 5.0, "gap": 0.0, "method": "x", "seconds": 0.1}
        >>> certificate_table(figures).rows[0]
        ('proven optimal', True)
    """
    gaps = [
        (name, certificate[key])
        for key, name in (("gap", "gap"), ("plan_gap", "gap of the plan"))
        if key in certificate
    ]
    return Table(
        "Certificate",
        [
            ("proven optimal", certificate["optimal"]),
            ("proven infeasible", certificate["infeasible"]),
            ("bound", certificate["bound"]),
            *((name, None if gap is None else f"{100 * gap:.3g} %") for name, gap in gaps),
            ("method", certificate["method"]),
            ("seconds", certificate["seconds"]),
        ],
    )


def _pictures(solution: Solution[Any]) -> Sequence[Picture]:
    """Return the pictures that the backend draws of its run; none by an instance that is not registered."""
    try:
        backend = get_backend(solution.backend)
    except UnknownBackendError:
        return ()
    return backend.pictures(solution.sampleset.info) if isinstance(backend, Plottable) else ()


def _answer(solution: Solution[Any]) -> list[Table | Chart]:
    best = solution.best
    state = [
        ("objective", best.objective),
        ("feasible", best.feasible),
        ("backend", solution.backend),
        ("seed", solution.seed),
        ("calls of the backend", len(solution.calls)),
        ("seconds", solution.seconds),
        ("repaired", solution.repaired),
    ]
    parts: list[Table | Chart] = [Table("Answer", [(name, _exact(value)) for name, value in state])]
    for caption, broken in (("Violations", best.violations), ("Soft constraints that are broken", best.soft)):
        if broken:
            rows = [(str(name), amount) for name, amount in broken.items()]
            parts.append(Table(caption, rows[:_VALUES], ("constraint", "amount"), note=_first(rows)))
    value = plain(best.value)
    if isinstance(value, Mapping):
        rows = list(value.items())
        parts.append(Table("Values", rows[:_VALUES], ("name", "value"), note=_first(rows), folded=len(rows) > 12))
    else:
        parts.append(Table("Value", [("value", shown(value, 2000))]))
    if len(solution.candidates) > 1:
        best_first = solution.candidates[:_CANDIDATES]
        ranks = [(n, _exact(each.objective), each.feasible) for n, each in enumerate(best_first, 1)]
        parts.append(Table("Best different answers", ranks, ("rank", "objective", "feasible")))
    return parts


def _samples(solution: Solution[Any]) -> list[Table | Chart]:
    """Return the energies of the call that led to the answer."""
    record = solution.sampleset.record
    if not len(record):
        return []
    energies, counts = np.asarray(record.energy, float), np.asarray(record.num_occurrences)
    table = Table(
        "Samples of the best call",
        [
            ("samples", int(counts.sum())),
            ("rows", len(record)),
            ("variables", len(solution.sampleset.variables)),
            ("least energy", float(energies.min())),
            ("mean energy", float(np.average(energies, weights=counts))),
            ("largest energy", float(energies.max())),
        ],
    )
    return [table] if energies.min() == energies.max() else [table, samples_chart(solution)]


def samples_chart(solution: Solution[Any]) -> Chart:
    """Return the energies of the samples of the best call as a histogram.

    Example:
        >>> from qubo_dnn.api.solving import solve
        >>> drawn = samples_chart(solve({("a", "a"): -2.0}, "tabu", seed=1, num_reads=3, presolve=False))
        >>> drawn.figure["data"][0]["y"]
        [3]
    """
    middles, counts = energy_histogram(solution)
    series = [Series("", middles, counts, "bars")]
    title = f"Energies of the samples of {solution.backend}"
    return chart(Picture("samples", title, "energy", "samples", series))


def energy_histogram(solution: Solution[Any]) -> tuple[list[float], list[int]]:
    """Return the middles of equal intervals of energy, and the samples in each; one if all have the same energy.

    Example:
        >>> from qubo_dnn.api.solving import solve
        >>> energy_histogram(solve({("a", "a"): -2.0}, "tabu", seed=1, num_reads=3, presolve=False))
        ([-2.0], [3])
    """
    record = solution.sampleset.record
    energies, counts = np.asarray(record.energy, float), np.asarray(record.num_occurrences)
    if not len(energies) or energies.min() == energies.max():
        return energies[:1].tolist(), [int(counts.sum())] if len(energies) else []
    found, edges = np.histogram(energies, min(_BINS, 4 * len(record)), weights=counts)
    return ((edges[1:] + edges[:-1]) / 2).tolist(), found.astype(int).tolist()


def _first(rows: Sequence[Any]) -> str:
    return f"The first {_VALUES:,} of {len(rows):,}." if len(rows) > _VALUES else ""


def _exact(value: Any) -> Any:
    return f"{value:.10g}" if isinstance(value, float) else value
