"""The solution of a problem, with a record of the backend calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import dimod

from qubo_dnn.backend import CircuitSource
from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.problem import Decoded, Native
from qubo_dnn.support.extras import require
from qubo_dnn.support.plain import plain

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure
    from qiskit import QuantumCircuit

T = TypeVar("T")


@dataclass(frozen=True)
class BackendCall:
    """Record of one backend call.

    Attributes:
        number: number of the call, from 1.
        multipliers: relaxed inequality -> its multiplier; 0.0 if it does not bind.
        penalties: smallest and largest one-hot penalty; None if the backend keeps groups natively.
        weights: penalised constraint -> weight of its penalty model.
        broken: one-hot groups and penalised constraints that the row of least energy breaks.
        presolve: figures of the presolve, see `qubo_dnn.presolve.reduction.Reduction.summary`; empty without presolve.
        objective: best feasible objective so far, in the problem's sense; None if no answer is feasible yet.
        seconds: wall-clock seconds of this call.

    Example:
        >>> call = BackendCall(number=1, objective=5.0, seconds=0.01, multipliers={"capacity": 1.5})
        >>> call.multipliers["capacity"]
        1.5
    """

    number: int
    objective: float | None
    seconds: float
    multipliers: Mapping[str, float] = field(default_factory=dict)
    penalties: tuple[float, float] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    presolve: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Solution(Generic[T]):
    """The best answer of a search, in the user's terms.

    Attributes:
        best: the decoded answer; `best.violations` lists the constraints that an infeasible answer breaks.
        candidates: the best different feasible states of all calls, `best` first, at most `num_solutions`. Only `best`
            if no answer is feasible.
        sample: values of the variables that `best` was decoded from.
        repaired: True if `sample` is not the row that the backend returned, because broken constraints were repaired or
            an unused rest of a budget was spent, or because it comes from `Problem.start`.
        sampleset: sample set of the call that led to `best`, including slack variables; of the last call if `best`
            comes from `Problem.start`.
        backend, seed: name of the backend and seed; with equal options they reproduce the answer. "direct" and None if
            no backend was needed, see `qubo_dnn.solving.separable`.
        calls: one entry per call of the backend.
        interrupted: True if Ctrl-C ended the search early; `best` is then the best answer so far.
        failed: error message of the call after the last of `calls`, or None.
        seconds: wall-clock seconds of the search.
        convert: see `Problem.native`.

    Example:
        >>> from qubo_dnn.registry import get_backend, get_formulation
        >>> from qubo_dnn.solving.solve import solve
        >>> problem = get_formulation("max-cut").example(0).compile()
        >>> solution = solve(problem, get_backend("tabu"), {"seed": 1})
        >>> solution.best.feasible, solution.seed, len(solution.calls)
        (True, 1, 1)
    """

    best: Decoded[T]
    candidates: tuple[Decoded[T], ...]
    sample: Mapping[Any, int]
    repaired: bool
    sampleset: dimod.SampleSet
    backend: str
    seed: int | None
    calls: tuple[BackendCall, ...]
    interrupted: bool
    failed: str | None
    seconds: float
    convert: Native | None = field(default=None, compare=False, repr=False)

    def native(self) -> Any:
        """Return the candidates as a result of the library that the model comes from.

        Returns:
            A `dimod.SampleSet` for models of dimod, an `OptimizationResult` for a `QuadraticProgram`, docplex's
            `SolveSolution` of the best answer, OMMX's `SampleSet`, an array [candidates, n] for a matrix. For all
            others, the list of the candidates' values.

        Example:
            >>> import dimod
            >>> from qubo_dnn.models.dimod_models import problem_from_bqm
            >>> from qubo_dnn.registry import get_backend
            >>> from qubo_dnn.solving.solve import solve
            >>> bqm = dimod.BinaryQuadraticModel({"a": 1.0}, {}, 0.0, "SPIN")
            >>> float(solve(problem_from_bqm(bqm), get_backend("exact")).native().first.energy)
            -1.0
        """
        if self.convert is None:
            return [each.value for each in self.candidates]
        return self.convert(self.candidates)

    def __repr__(self) -> str:
        best = self.best
        state = "" if self.seed is None else f", seed={self.seed}"
        return (
            f"Solution(objective={best.objective:.10g}, feasible={best.feasible}, backend={self.backend!r}{state}, "
            f"calls={len(self.calls)}, {self.seconds:.2f} s)"
        )

    def _repr_html_(self) -> str:
        """Return a table and the energies of the samples, for notebooks."""
        shown = {
            name: value for name, value in self.to_dict().items() if value not in (None, {}, []) and name != "calls"
        }
        texts = {name: _short(value) for name, value in shown.items()} | {"calls": str(len(self.calls))}
        from qubo_dnn.reports.notebook import cell, small_columns
        from qubo_dnn.solving.report import energy_histogram

        _, counts = energy_histogram(self)
        picture = small_columns(f"{sum(counts):,} samples, by energy", counts) if len(counts) > 1 else ""
        return cell(texts.items(), picture)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer and the record of the search as plain data, which JSON can hold.

        Example:
            >>> from qubo_dnn.api.solving import solve
            >>> found = solve({("a", "b"): 1.0, ("a", "a"): -2.0}, "tabu", seed=1).to_dict()
            >>> found["objective"], found["value"]
            (-2.0, {'a': 1, 'b': 0})
        """
        best = self.best
        return {
            "objective": best.objective,
            "feasible": best.feasible,
            "value": plain(best.value),
            "violations": dict(best.violations),
            "soft": dict(best.soft),
            "backend": self.backend,
            "seed": self.seed,
            "repaired": self.repaired,
            "interrupted": self.interrupted,
            "failed": self.failed,
            "seconds": self.seconds,
            "calls": [plain(asdict(each)) for each in self.calls],
        }

    def to_pandas(self) -> DataFrame:
        """Return the candidates as a table: one row each, with its objective, its feasibility, and its values.

        Raises:
            MissingExtraError: pandas is not installed.

        Example:
            >>> from qubo_dnn.api.solving import solve
            >>> solve({("a", "b"): 1.0, ("a", "a"): -2.0}, "tabu", seed=1, num_solutions=2).to_pandas().columns.tolist()
            ['objective', 'feasible', 'a', 'b']
        """
        rows = []
        for each in self.candidates:
            values = each.value if isinstance(each.value, Mapping) else {"value": each.value}
            rows.append(
                {"objective": each.objective, "feasible": each.feasible, **{str(v): x for v, x in values.items()}}
            )
        frame: DataFrame = require("pandas", "tables").DataFrame(rows)
        return frame

    def circuit(self) -> QuantumCircuit:
        """Return the circuit that the answer was measured with, its angles bound, to run on other hardware.

        Returns:
            See `qubo_dnn.backend.CircuitSource.circuit`.

        Raises:
            UnsupportedProblemError: the backend measures no circuit, or none was needed.
            UnknownBackendError: the backend is not a registered one.
            BackendUnavailableError: Qiskit is not installed.

        Example:
            >>> from qubo_dnn.api.solving import solve
            >>> found = solve({("a", "b"): 1.0, ("a", "a"): -0.5}, "qaoa", seed=1, presolve=False, num_reads=100)
            >>> found.circuit().num_qubits
            2
        """
        from qubo_dnn.registry import get_backend

        backend = get_backend(self.backend)
        if not isinstance(backend, CircuitSource):
            raise UnsupportedProblemError(f"backend {self.backend!r} measures no circuit; 'qaoa' does")
        return backend.circuit(self.sampleset.info)

    def report(
        self, path: str | Path, title: str = "Solution", *, certificate: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a page about the solution: the answer, calls of the backend, samples, and the course of its run.

        Args:
            path: path of the HTML file, which opens without a network; an existing file is replaced.
            title: title of the page.
            certificate: `Certificate.figures` of a certificate for this solution; None without one.

        Returns:
            The path.

        Raises:
            MissingExtraError: jinja2 or plotly is not installed.
            OutputError: the file cannot be written.

        Example:
            >>> import tempfile
            >>> from qubo_dnn.api.solving import solve
            >>> found = solve({("a", "b"): 1.0, ("a", "a"): -2.0}, "tabu", seed=1)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     found.report(Path(folder, "page.html"), "Two variables").name
            'page.html'
        """
        from qubo_dnn.solving.report import write_report

        write_report(Path(path), self, title, {}, certificate)
        return Path(path)

    def plot(self) -> Figure:
        """Draw the energies of the samples of the best call as a histogram.

        Returns:
            A figure of plotly.

        Raises:
            MissingExtraError: plotly is not installed.

        Example:
            >>> from qubo_dnn.api.solving import solve
            >>> drawn = solve({("a", "b"): 1.0, ("a", "a"): -2.0}, "tabu", seed=1, num_reads=20).plot()
            >>> drawn.layout.xaxis.title.text
            'energy'
        """
        from qubo_dnn.reports.notebook import figure
        from qubo_dnn.solving.report import samples_chart

        return figure(samples_chart(self))


def _short(value: object, width: int = 120) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= width else f"{text[:width]}... ({len(text):,} characters)"
