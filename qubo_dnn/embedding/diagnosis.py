"""Diagnose a problem on a chip: whether it fits, the cost of its embedding, and the reads of an emulated chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import networkx as nx
import numpy as np

from qubo_dnn.embedding.backend_model import BackendModel
from qubo_dnn.embedding.embedding import Embedder, Embedding, embed
from qubo_dnn.embedding.emulation import Chip
from qubo_dnn.embedding.program import AnnealingProgram, Policy, program
from qubo_dnn.embedding.reads import Judged, best_strength, judged, scan
from qubo_dnn.embedding.target import Target
from qubo_dnn.errors import EmbeddingError
from qubo_dnn.support.arguments import checked
from qubo_dnn.support.extras import require

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class DiagnosisReporter(Protocol):
    """Receives progress events.

    Example:
        >>> class Printer(DiagnosisReporter):
        ...     def stage(self, name: str) -> None:
        ...         print(name)
        >>> Printer().stage("embed")
        embed
    """

    def stage(self, name: str) -> None:
        """A stage begins; the previous one is finished."""

    def progress(self, done: int, total: int) -> None:
        """Receive the number of steps done in the current stage, and their total."""


@dataclass(frozen=True, kw_only=True)
class DiagnosisSettings:
    """Settings of a diagnosis.

    Attributes:
        embedder, embedding_time_limit: see `qubo_dnn.embedding.embedding.embed`.
        chain_strength, prefactor: see `qubo_dnn.embedding.program.program`.
        reads: number of reads of the emulated chip; 0: no emulation.
        scan: True to emulate the chip at several chain strengths, too.
        chip: parameters of the emulated chip.
        seed: random seed.

    Example:
        >>> DiagnosisSettings(reads=100, scan=True).chain_strength
        'uniform-torque'
    """

    embedder: Embedder = "auto"
    embedding_time_limit: float = 60.0
    chain_strength: Policy | float = "uniform-torque"
    prefactor: float | None = None
    reads: int = 50
    scan: bool = False
    chip: Chip = field(default_factory=Chip)
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The result of a diagnosis.

    Attributes:
        model: the model to embed.
        target: the hardware graph.
        embedding: the embedding, None if none was found.
        refusal: why no embedding was found; None if one was found.
        program: the program of the chip.
        access_time: seconds of QPU access time for the reads, None without an embedding.
        timing: source of the timing data.
        judged: evaluated reads of the emulated chip, None without emulation.
        scan: evaluated reads at several chain strengths.

    Example:
        >>> from qubo_dnn.embedding.backend_model import make_backend_model
        >>> from qubo_formulations.max_cut import MaxCut
        >>> from qubo_dnn.embedding.target import target
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> found = diagnose(model, target("chimera:1"), DiagnosisSettings(reads=0))
        >>> found.embedding.longest, found.refusal
        (2, None)
    """

    model: BackendModel
    target: Target
    embedding: Embedding | None
    refusal: str | None = None
    program: AnnealingProgram | None = None
    access_time: float | None = None
    timing: str | None = None
    judged: Judged | None = None
    scan: tuple[Judged, ...] = ()

    @property
    def verdict(self) -> str:
        """Description of whether and how the problem fits."""
        if self.embedding is None:
            return f"does not fit: {self.refusal}"
        return "fits, with the chains of a clique" if self.embedding.embedder == "clique" else "fits"

    def to_json(self) -> dict[str, Any]:
        """Return all figures as plain data; see `qubo-dnn embed` in the documentation."""
        graph, hardware = self.model.graph, self.target.graph
        found: dict[str, Any] = {
            "verdict": self.verdict,
            "fits": self.embedding is not None,
            "problem": {
                "variables": len(graph),
                "interactions": graph.number_of_edges(),
                "density": nx.density(graph) if len(graph) > 1 else 0.0,
                "presolve": self.model.reduction.summary(),
            },
            "target": {
                "name": self.target.name,
                "digest": self.target.digest,
                "qubits": len(hardware),
                "couplers": hardware.number_of_edges(),
                "largest_clique": self.target.largest_clique,
                "ranges": {name: list(bounds) for name, bounds in self.target.ranges.items()},
            },
        }
        if self.embedding is not None and self.program is not None:
            found["embedding"] = self._embedding(self.embedding)
            found["program"] = _program(self.program)
            found["qpu_access_time"] = {"seconds": self.access_time, "timing_of": self.timing}
        if self.judged is not None:
            found["emulated"] = {**self._judged(self.judged), "by_variable": _by_name(self.judged)}
        if self.scan:
            found["chain_strength_scan"] = [self._judged(each) for each in self.scan]
            found["best_chain_strength"] = best_strength(self.scan).strength
        return found

    def report(self, path: str | Path, title: str = "the problem") -> Path:
        """Write a page about the diagnosis.

        Args:
            path: path of the HTML file, which opens without a network; an existing file is replaced.
            title: name of the problem.

        Returns:
            The path.

        Raises:
            MissingExtraError: jinja2 or plotly is not installed.
            OutputError: the file cannot be written.

        Example:
            >>> def written(found: Diagnosis, folder: Path) -> Path:
            ...     return found.report(folder / "embedding.html", "max-cut")
        """
        from qubo_dnn.embedding.report import write_report

        write_report(Path(path), title, self)
        return Path(path)

    def plot(self) -> Figure:
        """Draw how many chains have which length.

        Returns:
            A figure of plotly.

        Raises:
            EmbeddingError: there is no embedding.
            MissingExtraError: plotly is not installed.

        Example:
            >>> def shown(found: Diagnosis) -> None:
            ...     found.plot().show()
        """
        from qubo_dnn.embedding.pictures import chain_lengths
        from qubo_dnn.reports.charts import chart
        from qubo_dnn.reports.notebook import figure

        if self.embedding is None:
            raise EmbeddingError(str(self.refusal))
        return figure(chart(chain_lengths(self.embedding)))

    def _repr_html_(self) -> str:
        """Return the main figures and the lengths of the chains, for notebooks."""
        from qubo_dnn.embedding.report import tables
        from qubo_dnn.reports.notebook import cell, small_columns

        rows = [("verdict", self.verdict)]
        rows += [(f"{title.lower()}: {name}", value) for title, found in tables(self) for name, value in found]
        if self.embedding is None or not self.embedding.chains:
            return cell(rows)
        counts = Counter(map(len, self.embedding.chains.values()))
        heights = [counts[length] for length in range(1, self.embedding.longest + 1)]
        return cell(rows, small_columns(f"Chains of 1 to {self.embedding.longest} qubits", heights))

    def _embedding(self, embedding: Embedding) -> dict[str, Any]:
        lengths = Counter(map(len, embedding.chains.values()))
        return {
            "embedder": embedding.embedder,
            "seed": embedding.seed,
            "seconds": embedding.seconds,
            "qubits": embedding.qubits,
            "share_of_qubits": embedding.qubits / len(self.target.graph),
            "longest_chain": embedding.longest,
            "chain_lengths": {str(length): count for length, count in sorted(lengths.items())},
            "faults": embedding.faults(self.model.graph),
        }

    def _judged(self, each: Judged) -> dict[str, Any]:
        return {
            "chain_strength": each.strength,
            "scale": each.scale,
            "reads": len(each.broken),
            "chain_break_fraction": float(each.broken.mean()),
            "reads_with_broken_chains": float((each.broken > 0.0).mean()),
            "feasible": each.feasible,
            "best_objective": None if each.objective is None else self.model.problem.in_own_sense(each.objective),
            "energy": {
                method: {"best": float(energies.min()), "mean": float(energies.mean())}
                for method, energies in each.energies.items()
            },
        }


def _program(plan: AnnealingProgram) -> dict[str, Any]:
    ising = plan.couplings[2]
    limits = {name: float(factor) for name, factor in plan.limits.items() if np.isfinite(factor)}
    return {
        "chain_strength": plan.chain_strength,
        "largest_coupling": float(np.abs(ising[~plan.inside]).max(initial=0.0)),
        "scale": plan.scale,
        "binding_range": min(limits, key=lambda name: limits[name]) if limits else None,
        "scale_by_range": limits,
        "smallest_coefficient": plan.smallest,
        "bits_of_precision": plan.bits,
    }


def _by_name(each: Judged) -> dict[str, float]:
    return {str(variable): share for variable, share in each.by_variable.items()}


@checked
def diagnose(
    model: BackendModel,
    target: Target,
    settings: DiagnosisSettings,
    reporter: DiagnosisReporter | None = None,
    find: Callable[[], Embedding] | None = None,
) -> Diagnosis:
    """Embed a problem and report the costs of the embedding.

    Args:
        model: the problem, see `qubo_dnn.embedding.backend_model.make_backend_model`.
        target: the hardware graph.
        settings: settings of the diagnosis.
        reporter: receives progress events.
        find: returns the embedding, in place of a search.

    Returns:
        The diagnosis; a problem that does not fit is a result, not an error.

    Example:
        >>> from qubo_dnn.embedding.backend_model import make_backend_model
        >>> from qubo_formulations.max_cut import MaxCut
        >>> from qubo_dnn.embedding.target import target
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> found = diagnose(model, target("chimera:1"), DiagnosisSettings(reads=0))
        >>> found.verdict
        'fits, with the chains of a clique'
    """

    def stage(name: str) -> None:
        if reporter:
            reporter.stage(name)

    stage("embed")
    try:
        if find is None:
            limit = settings.embedding_time_limit
            embedding = embed(model.graph, target, settings.embedder, limit, settings.seed)
        else:
            embedding = find()
    except EmbeddingError as cause:
        return Diagnosis(model=model, target=target, embedding=None, refusal=str(cause))
    plan = program(model.bqm, embedding, settings.chain_strength, settings.prefactor)
    seconds, timing = access_time(target, embedding.qubits, max(settings.reads, 1))
    reads, scanned = None, []
    if settings.reads:
        stage("emulate")
        reads = judged(model, embedding, settings.reads, settings.seed, settings.chip, plan.chain_strength)
        if settings.scan and model.graph:
            stage("scan chain strengths")
            step = reporter.progress if reporter else None
            scanned = scan(
                model, embedding, plan.chain_strength, settings.reads, settings.seed, settings.chip, progress=step
            )
    return Diagnosis(
        model=model,
        target=target,
        embedding=embedding,
        program=plan,
        access_time=seconds,
        timing=timing,
        judged=reads,
        scan=tuple(scanned),
    )


def access_time(target: Target, qubits: int, reads: int) -> tuple[float, str]:
    """Estimate the QPU access time in seconds with D-Wave's client, and name the source of the timing data.

    Args:
        target: the hardware graph; its timing data are used if it has some.
        qubits: number of qubits used.
        reads: number of reads, >= 1.

    Example:
        >>> from qubo_dnn.embedding.target import target
        >>> seconds, source = access_time(target("chimera:1"), qubits=6, reads=100)
        >>> 0.0 < seconds < 1.0
        True
    """
    mocks = require("dwave.cloud.testing.mocks", "dwave")
    solver = require("dwave.cloud.solver", "dwave")
    own = target.properties.get("problem_timing_data")
    data = mocks.structured_solver_data(problem_timing_data=own or mocks.qpu_problem_timing_data())
    estimate = solver.StructuredSolver(client=None, data=data).estimate_qpu_access_time(max(qubits, 1), num_reads=reads)
    return float(estimate) * 1e-6, target.name if own else "an Advantage system of 2022"
