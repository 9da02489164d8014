"""`qubo-dnn solve`: any file or formulation, with any backend."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qubo_dnn.cli.common import arguments

if TYPE_CHECKING:
    from qubo_dnn.loading import LoadedProblem
    from qubo_dnn.solving.solution import Solution


def solve(
    context: typer.Context,
    source: arguments.SourceArgument,
    backend: arguments.BackendOption = "pt",
    option: arguments.OptionOption = None,
    seed: arguments.SeedOption = 0,
    time_limit: Annotated[
        float | None,
        arguments.solver_option(metavar="SECONDS", help="Time limit of the whole search."),
    ] = None,
    num_reads: Annotated[
        int | None,
        arguments.solver_option(metavar="N", help="Number of samples of one call of the backend."),
    ] = None,
    cluster: arguments.ClusterOption = None,
    portfolio: arguments.PortfolioOption = None,
    parameter: arguments.ParameterOption = None,
    sense: arguments.SenseOption = None,
    format_name: arguments.FormatOption = None,
    integers: arguments.IntegersOption = "binary",
    inequalities: arguments.InequalitiesOption = "lagrangian",
    presolve: arguments.PresolveOption = True,
    certify: arguments.CertifyOption = None,
    json_file: arguments.JsonOption = None,
    save: Annotated[
        Path | None,
        arguments.output_option(
            metavar="FILE", help="Write the samples of the best call: .csv, .parquet or .json; .npz for large models."
        ),
    ] = None,
    circuit: Annotated[
        Path | None,
        arguments.output_option(metavar="FILE", help="Write the circuit that qaoa has measured as OpenQASM 3."),
    ] = None,
    report: arguments.ReportOption = None,
) -> None:
    """Solve a problem, and print the answer in the problem's own terms."""
    from qubo_dnn.backend import CircuitSource
    from qubo_dnn.bounds.certificate import certify as prove
    from qubo_dnn.bounds.certificate import check_time
    from qubo_dnn.cli.common.command_line import command_words
    from qubo_dnn.cli.common.output import print_lines, write_json
    from qubo_dnn.cli.solve_arrays import solve_arrays, write_arrays
    from qubo_dnn.cluster.dask_cluster import check_cluster
    from qubo_dnn.cluster.portfolio import RUNS, on_workers, portfolio_of
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.errors import OptionError
    from qubo_dnn.files.samples import check_samples, write_samples
    from qubo_dnn.loading import LoadedArrays
    from qubo_dnn.reports.writer import check_report
    from qubo_dnn.solving.report import write_report
    from qubo_dnn.solving.solve import solve as run

    if report is not None:
        check_report(report)
    if certify is not None:
        check_time(certify)
    if save is not None and save.suffix != ".npz":
        check_samples(save)
    check_cluster(cluster)
    runs = RUNS if portfolio is None and cluster is not None else portfolio
    solver = portfolio_of(backend, runs)
    if circuit is not None and not isinstance(solver, CircuitSource):
        raise OptionError(f"--circuit: backend {backend!r} measures no circuit; 'qaoa' does")
    options = arguments.assignments("--option", option, {"time_limit": time_limit, "num_reads": num_reads})
    if solver.capabilities.seeded:
        options.setdefault("seed", str(seed))
    with ConsoleReporter({"solve": time_limit, "certify": certify}) as reporter:
        reporter.stage("load")
        started = time.perf_counter()
        loaded = arguments.load_with_arrays(source, parameter, format_name, sense, integers, seed)
        loading = time.perf_counter() - started
        if isinstance(loaded, LoadedArrays):
            reporter.stage("solve")
            refused = {
                "--certify": certify,
                "--circuit": circuit,
                "--report": report,
                "--cluster": cluster,
                "--portfolio": portfolio,
            }
            large = solve_arrays(loaded, solver, options, save, refused)
            write_arrays(source, loaded, large, loading, json_file, save)
            return
        if save is not None:
            check_samples(save)
        solver = on_workers(solver, arguments.connect(context, cluster))
        reporter.stage("solve")
        solution = run(
            loaded.problem, solver, options, reporter.backend_call, presolve=presolve, inequalities=inequalities
        )
        certificate = None
        if certify is not None:
            reporter.stage("certify")
            best = solution.best
            energy = loaded.problem.in_own_sense(best.objective) if best.feasible else None
            certificate = prove(loaded.problem, energy, certify, seed).figures(loaded.problem)
    result = {**describe(source, loaded, solution, loading), "certificate": certificate}
    # The answer comes first: whatever cannot be written does not take it away.
    if json_file is not None:
        write_json(json_file, result)
    if json_file is None or str(json_file) != "-":
        for name, text in _shown(result):
            print_lines(f"{name:<13} {text}")
        print_lines(f"seconds       load {loading:.2f}, solve {solution.seconds:.2f}")
    if save is not None:
        write_samples(save, solution.sampleset)
    if circuit is not None:
        write_circuit(circuit, solution)
    if report is not None:
        about = {name: result[name] for name in _ABOUT if result[name]} | {"seconds": result["seconds"]}
        write_report(report, solution, f"{source} by {solution.backend}", about, certificate, command_words())


_SHOWN = (
    *("formulation", "format", "sense", "objective", "feasible", "violations", "soft", "value", "backend", "seed"),
    *("variables", "interactions", "presolve", "penalties", "certificate", "interrupted", "failed"),
)
_ALWAYS = ("objective", "feasible")
_ABOUT = ("source", "formulation", "format", "sense", "variables", "interactions", "presolve", "penalties")
_WIDTH = 200


def _shown(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the entries of a result that are shown, with their texts."""
    from qubo_dnn.cli.common.console import proven
    from qubo_dnn.support.plain import plain

    for name in _SHOWN:
        if name in _ALWAYS or result[name]:
            yield name, proven(result[name]) if name == "certificate" else _short(plain(result[name]))


def write_circuit(path: Path, solution: Solution[Any]) -> None:
    """Write the circuit that the answer was measured with as OpenQASM 3.

    Args:
        path: path of the file.
        solution: an answer of a backend that measures circuits.

    Raises:
        UnsupportedProblemError: see `qubo_dnn.solving.solution.Solution.circuit`.
        BackendUnavailableError: Qiskit is not installed.
        OutputError: it cannot be written.
    """
    from qubo_dnn.files.common.output import write_atomically
    from qubo_dnn.support.extras import require

    made = solution.circuit()
    qubits = "".join(f"// qubit {number}: {name}\n" for number, name in enumerate(made.metadata["variables"]))
    write_atomically(path, f"{qubits}{require('qiskit.qasm3', 'qiskit').dumps(made)}\n".encode())


def describe(source: str, loaded: LoadedProblem, solution: Solution[Any], loading: float) -> dict[str, Any]:
    """Return the answer as plain data.

    Args:
        source: the source as typed.
        loaded: the problem that it names.
        solution: solution of this problem.
        loading: seconds for reading and compiling.
    """
    from qubo_dnn.support.plain import plain

    problem, best, last = loaded.problem, solution.best, solution.calls[-1] if solution.calls else None
    return {
        "source": source,
        "formulation": loaded.formulation,
        "format": loaded.format,
        "sense": problem.sense,
        "objective": best.objective,
        "energy": -best.objective if problem.sense == "max" else best.objective,
        "feasible": best.feasible,
        "violations": dict(best.violations),
        "soft": {
            label: {"violation": amount, "price": problem.soft[label].price(amount)}
            for label, amount in best.soft.items()
        },
        "value": plain(best.value),
        "backend": solution.backend,
        "seed": solution.seed,
        "variables": len(problem.variables),
        "interactions": problem.objective.num_interactions,
        "presolve": dict(last.presolve) if last else {},
        "penalties": _penalties(last),
        "calls": [_call(each) for each in solution.calls],
        "repaired": solution.repaired,
        "interrupted": solution.interrupted,
        "failed": solution.failed,
        "diagnostics": plain(solution.sampleset.info),
        "seconds": {"load": loading, "solve": solution.seconds},
    }


def _penalties(last: Any) -> dict[str, Any]:
    """Return the weights of the last call by constraint, and the smallest and largest one of one-hot groups."""
    if last is None:
        return {}
    found: dict[str, Any] = {**last.multipliers, **last.weights}
    return {**found, "one-hot groups": list(last.penalties)} if last.penalties else found


def _call(done: Any) -> dict[str, Any]:
    return {
        "objective": done.objective,
        "broken": list(done.broken),
        "penalties": _penalties(done),
        "seconds": done.seconds,
    }


def _short(value: Any) -> str:
    """Format a value as one line of a table."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key} {_short(each)}" for key, each in value.items())
    elif isinstance(value, list):
        text = "[" + ", ".join(map(_short, value)) + "]"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text):,} characters; see --json)"
