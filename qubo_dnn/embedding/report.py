"""Report a diagnosis as tables, as an HTML page, and as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qubo_dnn.embedding.diagnosis import Diagnosis
from qubo_dnn.embedding.pictures import pictures
from qubo_dnn.pictures.image import ENDINGS, write_image
from qubo_dnn.reports.charts import chart
from qubo_dnn.reports.page import Page, Section
from qubo_dnn.reports.page import Table as PageTable
from qubo_dnn.reports.reproduction import reproduction
from qubo_dnn.reports.writer import write_page

Table = tuple[str, Sequence[tuple[str, str]]]


def tables(found: Diagnosis) -> list[Table]:
    """Return the main figures as titled tables with rows of name and value.

    Example:
        >>> from qubo_dnn.embedding.backend_model import make_backend_model
        >>> from qubo_formulations.max_cut import MaxCut
        >>> from qubo_dnn.embedding.target import target
        >>> from qubo_dnn.embedding.diagnosis import DiagnosisSettings, diagnose
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> found = diagnose(model, target("chimera:1"), DiagnosisSettings(reads=0))
        >>> [title for title, _ in tables(found)]
        ['Problem', 'Target', 'Embedding', 'Program']
    """
    data = found.to_json()
    problem, target = data["problem"], data["target"]
    drawn: list[Table] = [
        (
            "Problem",
            [
                ("variables", f"{problem['variables']:,}"),
                ("interactions", f"{problem['interactions']:,}, density {problem['density']:.3g}"),
                ("presolve", ", ".join(f"{name} {value:,}" for name, value in problem["presolve"].items())),
            ],
        ),
        (
            "Target",
            [
                ("name", f"{target['name']} ({target['digest']})"),
                ("size", f"{target['qubits']:,} qubits, {target['couplers']:,} couplers"),
                ("largest clique", f"{target['largest_clique']:,} variables"),
            ],
        ),
    ]
    if "embedding" in data:
        drawn += [_embedding(data), _program(data)]
    if "emulated" in data:
        drawn.append(_emulated("Emulated reads", data["emulated"]))
    if "best_chain_strength" in data:
        scanned = [each["chain_strength"] for each in data["chain_strength_scan"]]
        best = data["chain_strength_scan"][scanned.index(data["best_chain_strength"])]
        drawn.append(_emulated(f"Best of {len(scanned)} chain strengths", best))
    return drawn


def _embedding(data: dict[str, Any]) -> Table:
    embedding = data["embedding"]
    lengths = ", ".join(f"{count} of {length}" for length, count in embedding["chain_lengths"].items())
    return "Embedding", [
        ("found by", f"{embedding['embedder']}, seed {embedding['seed']}, {embedding['seconds']:.2f} s"),
        ("qubits", f"{embedding['qubits']:,}, {embedding['share_of_qubits']:.1%} of the chip"),
        ("longest chain", f"{embedding['longest_chain']}"),
        ("chain lengths", lengths or "none"),
        ("faults", "; ".join(embedding["faults"]) or "none"),
    ]


def _program(data: dict[str, Any]) -> Table:
    program, time = data["program"], data["qpu_access_time"]
    return "Program", [
        ("chain strength", f"{program['chain_strength']:.5g}"),
        ("largest coupling", f"{program['largest_coupling']:.5g}, outside of chains"),
        ("scaled by", f"{program['scale']:.4g}, for the sake of {program['binding_range'] or 'nothing'}"),
        ("smallest coefficient", f"{program['smallest_coefficient']:.3g} once scaled"),
        ("precision needed", f"{program['bits_of_precision']:.1f} bits"),
        ("QPU access time", f"{1e3 * time['seconds']:.1f} ms, by the timing of {time['timing_of']}"),
    ]


def _emulated(title: str, reads: dict[str, Any]) -> Table:
    vote, energy = reads["energy"]["majority-vote"], reads["energy"]["minimize-energy"]
    objective = reads["best_objective"]
    return title, [
        ("chain strength", f"{reads['chain_strength']:.5g}"),
        ("reads", f"{reads['reads']:,}"),
        (
            "broken chains",
            f"{reads['chain_break_fraction']:.2%}, in {reads['reads_with_broken_chains']:.1%} of the reads",
        ),
        ("feasible", f"{reads['feasible']:.1%}"),
        ("best objective", "none feasible" if objective is None else f"{objective:.8g}"),
        ("energy by vote", f"best {vote['best']:.6g}, mean {vote['mean']:.6g}"),
        ("energy by minimizing", f"best {energy['best']:.6g}, mean {energy['mean']:.6g}"),
    ]


def write_report(path: Path, title: str, found: Diagnosis, command: Sequence[str] = ()) -> None:
    """Write a self-contained page.

    Args:
        path: path of the file.
        title: name of the problem.
        found: the diagnosis.
        command: words of the command line, if there was one.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: the page cannot be written.

    Example:
        >>> def report(found: Diagnosis) -> None:
        ...     write_report(Path("diagnosis.html"), "max-cut on a Chimera graph", found)
    """
    write_page(path, diagnosis_page(title, found, command))


def diagnosis_page(title: str, found: Diagnosis, command: Sequence[str] = ()) -> Page:
    """Return the page about a diagnosis; see `write_report` for the arguments.

    Example:
        >>> from qubo_dnn.api.analysis import diagnose
        >>> found = diagnose([[0, 1, 1], [0, 0, 1], [0, 0, 0]], "chimera:1", presolve=False, reads=0)
        >>> page = diagnosis_page("three variables", found)
        >>> page.title, list(page.absent)
        ('Embedding of three variables', ['emulated reads', 'other chain strengths'])
    """
    absent = {}
    if found.embedding is None:
        absent["chains, coefficients and emulated reads"] = "there is no embedding"
    else:
        if found.judged is None:
            absent["emulated reads"] = "none were asked for (--reads)"
        if not found.scan:
            absent["other chain strengths"] = "none were tried (--scan)"
    figures = [PageTable(caption, rows) for caption, rows in tables(found)]
    charts = [chart(picture) for picture in pictures(found)]
    return Page(
        f"Embedding of {title}",
        found.verdict,
        [
            Section("figures", "Figures", figures),
            Section("pictures", "Pictures", charts),
            reproduction(command, _PACKAGES),
        ],
        absent=absent,
    )


# Beside those of every page.
_PACKAGES = ("minorminer", "dwave-system", "dwave-graphs")


def write_pictures(folder: Path, found: Diagnosis) -> list[Path]:
    """Write every picture as PNG and as SVG.

    Returns:
        The paths of the files.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        OutputError: a file cannot be written.

    Example:
        >>> def draw(found: Diagnosis) -> list[Path]:
        ...     return write_pictures(Path("pictures"), found)
    """
    written = []
    for picture in pictures(found):
        for ending in ENDINGS:
            written.append(folder / f"{picture.name}{ending}")
            write_image(written[-1], picture)
    return written
