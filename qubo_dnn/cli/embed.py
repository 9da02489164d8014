"""`qubo-dnn embed`: diagnose the minor embedding of a problem in a quantum annealer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from qubo_dnn.cli.common import arguments
from qubo_dnn.errors import EmbeddingError, OptionError, OutputError

if TYPE_CHECKING:
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.embedding.embedding import Embedder
    from qubo_dnn.embedding.program import Policy
    from qubo_dnn.embedding.target import Target
    from qubo_dnn.problem import Problem


_embedding = partial(typer.Option, rich_help_panel="Embedding")
_emulation = partial(typer.Option, rich_help_panel="Emulated chip")


def embed(
    source: arguments.SourceArgument,
    target: Annotated[str, _embedding(metavar="GRAPH", help=arguments.TARGET_HELP)] = "pegasus:16",
    defects: Annotated[
        float,
        _embedding(metavar="SHARE", help="Share of defective qubits, chosen at random."),
    ] = 0.0,
    embedder: Annotated[str, _embedding(metavar="NAME", help="Embedder: auto, clique or minorminer.")] = "auto",
    time_limit: Annotated[float, _embedding(metavar="SECONDS", help="Time limit of minorminer.")] = 60.0,
    chain_strength: Annotated[
        str, _emulation(metavar="POLICY", help="uniform-torque, scaled, or a number.")
    ] = "uniform-torque",
    prefactor: Annotated[float | None, _emulation(metavar="X", help="Prefactor of the policy.")] = None,
    reads: Annotated[
        int,
        _emulation(metavar="N", min=0, help="Number of reads of the emulated chip; 0: no emulation."),
    ] = 50,
    scan: Annotated[bool, _emulation("--scan", help="Also emulate several chain strengths.")] = False,
    seed: Annotated[int, _embedding(metavar="N", min=0, max=2**31 - 1, help="Random seed.")] = 0,
    parameter: arguments.ParameterOption = None,
    sense: arguments.SenseOption = None,
    format_name: arguments.FormatOption = None,
    integers: arguments.IntegersOption = "binary",
    inequalities: arguments.InequalitiesOption = "lagrangian",
    presolve: arguments.PresolveOption = True,
    embedding: Annotated[
        Path | None,
        _embedding(metavar="FILE", help="Verify and use this embedding instead of searching."),
    ] = None,
    save_embedding: Annotated[
        Path | None, arguments.output_option(metavar="FILE", help="Write the embedding as JSON.")
    ] = None,
    json_file: arguments.JsonOption = None,
    report: arguments.ReportOption = None,
    picture_folder: Annotated[
        Path | None,
        arguments.output_option("--pictures", metavar="FOLDER", help="Write the pictures as PNG and SVG."),
    ] = None,
) -> None:
    """Diagnose the minor embedding of a problem; a problem that does not fit is reported, and is an error."""
    from qubo_dnn.cli.common.command_line import command_words
    from qubo_dnn.cli.common.output import print_lines, print_table, write_json
    from qubo_dnn.console_reporter import ConsoleReporter
    from qubo_dnn.embedding.backend_model import make_backend_model
    from qubo_dnn.embedding.diagnosis import DiagnosisSettings, diagnose
    from qubo_dnn.embedding.embedding import load_embedding
    from qubo_dnn.embedding.report import tables, write_pictures, write_report
    from qubo_dnn.embedding.target import target as find_target
    from qubo_dnn.reports.writer import check_report
    from qubo_dnn.support.extras import require

    if embedder not in ("auto", "clique", "minorminer"):
        raise OptionError(f"--embedder is auto, clique or minorminer, not {embedder!r}")
    if time_limit <= 0.0:
        raise OptionError("--time-limit is greater than 0")
    if report is not None:
        check_report(report)
    if picture_folder is not None:
        require("matplotlib", "report")
    settings = DiagnosisSettings(
        embedder=cast("Embedder", embedder),
        embedding_time_limit=time_limit,
        chain_strength=strength(chain_strength),
        prefactor=prefactor,
        reads=reads,
        scan=scan,
        seed=seed,
    )
    chip = find_target(target, defects, seed)
    with ConsoleReporter({"embed": time_limit}) as reporter:
        reporter.stage("load")
        problem = make_backend_model(
            arguments.load(source, parameter, format_name, sense, integers, seed).problem, inequalities, presolve
        )
        find = None if embedding is None else lambda: load_embedding(embedding, problem.graph, chip)
        found = diagnose(problem, chip, settings, reporter, find)
    if found.embedding is not None and save_embedding is not None:
        found.embedding.save(save_embedding)
    if json_file is not None:
        write_json(json_file, {"source": source, **found.to_json()})
    if report is not None:
        write_report(report, source, found, command_words())
    if picture_folder is not None:
        try:
            picture_folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise OutputError(f"{picture_folder} cannot be made: {cause.strerror}") from cause
        write_pictures(picture_folder, found)
    if json_file is None or str(json_file) != "-":
        for title, rows in tables(found):
            print_table((title, ""), rows)
            typer.echo()
    if found.refusal is not None:
        raise EmbeddingError(found.refusal)
    if json_file is None or str(json_file) != "-":
        print_lines(found.verdict)


def strength(text: str) -> Policy | float:
    """Parse a chain strength.

    Raises:
        OptionError: it is neither a policy nor a number.
    """
    if text in ("uniform-torque", "scaled"):
        return cast("Policy", text)
    try:
        return float(text)
    except ValueError as cause:
        raise OptionError(f"--chain-strength is uniform-torque, scaled or a number, not {text!r}") from cause


def find_chip(path: Path, target: str) -> Target:
    """Return the chip of the page that `write_page_of` will write to this path.

    Raises:
        MissingExtraError: pages cannot be written.
        OutputError: this one cannot be written.
        OptionError: there is no such chip.
    """
    from qubo_dnn.embedding.target import target as find_target
    from qubo_dnn.reports.writer import check_report

    check_report(path)
    return find_target(target)


def write_page_of(
    path: Path, title: str, problem: Problem[Any], chip: Target, seed: int, reporter: ConsoleReporter
) -> None:
    """Write a page about the embedding of a problem.

    Raises:
        OutputError: it cannot be written.
    """
    from qubo_dnn.cli.common.command_line import command_words
    from qubo_dnn.embedding.backend_model import make_backend_model
    from qubo_dnn.embedding.diagnosis import DiagnosisSettings, diagnose
    from qubo_dnn.embedding.report import write_report

    found = diagnose(make_backend_model(problem), chip, DiagnosisSettings(seed=seed % 2**31), reporter)
    write_report(path, title, found, command_words())
