"""All formats: their names, by which name of a file they are guessed, and what reads and writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from qubo_dnn.arguments import checked
from qubo_dnn.errors import FileFormatError, OptionError, UnsupportedProblemError, suggestion
from qubo_dnn.files.bqp import UnnumberedError
from qubo_dnn.files.model import ConstrainedModel, Model, as_model, same_model, same_program
from qubo_dnn.files.output import write_atomically
from qubo_dnn.files.text import TextFile, exists


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: for `--format`.
        suffixes: of file names, without `.gz`.
        summary: one line.
        reader: `module:function` of this package.
        writer: the same, of the lines or the bytes of a file; None where the format is only read.
        formulation: which problem such a file is an instance of, and whose `read` reads it; None where it holds a
            `Model` or `ConstrainedModel`, or where that has to be said.
        minimised: whether its files cannot say that a model is maximised.
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str
    reader: str
    writer: str | None = None
    formulation: str | None = None
    minimised: bool = False

    def read(self, path: Path) -> Any:
        """What the file holds, in the type of the format's reader.

        Args:
            path: may end in `#2` for the second problem of an OR-Library file.

        Raises:
            FileFormatError: the file cannot be read or breaks the format's grammar.
        """
        plain, number = split_number(path)
        if number is None:
            return _load(self.reader)(TextFile(plain))
        if self.name != "bqp":
            raise FileFormatError(f"{path}: {self.name} files hold one problem, and no number can be asked for")
        return _load(self.reader)(TextFile(plain), number)


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("bqm", (".bqm",), "dimod's binary quadratic model", "bqm:read_bqm", "bqm:bqm_bytes", minimised=True),
        Format("coo", (".coo",), "coordinate list with offset and names", "coo:read_coo", "coo:coo_lines"),
        Format("qubo", (".qubo",), "qbsolv's QUBO", "qubo:read_qubo", "qubo:qubo_lines"),
        Format("npz", (".npz",), "NumPy matrix, dense or sparse", "npz:read_npz", "npz:npz_bytes"),
        Format("lp", (".lp",), "LP format, binary and integer variables", "lp:read_lp", "lp_writer:lp_lines"),
        Format("mps", (".mps",), "MPS, binary and integer variables (extra mps)", "mps:read_mps"),
        Format("cqm", (".cqm",), "dimod's constrained quadratic model", "cqm:read_cqm"),
        Format("qplib", (".qplib",), "QPLIB, binary and integer variables", "qplib:read_qplib"),
        Format("bqp", (".bqp", ".sparse"), "OR-Library's binary quadratic problems", "bqp:read_bqp"),
        Format("biqmac", (".sparse",), "Biq Mac Library's binary quadratic problem", "biqmac:read_biqmac"),
        Format("gset", (".gset", ".rud", ".rudy", ".mc"), "Gset graph", "gset:read_gset", formulation="max-cut"),
        Format("dimacs-graph", (".col", ".clq", ".edge"), "DIMACS graph", "dimacs_graph:read_dimacs_graph"),
        Format("dimacs-cnf", (".cnf", ".wcnf"), "DIMACS clauses", "dimacs_cnf:read_dimacs_cnf", formulation="max-sat"),
        Format("qaplib", (".qap", ".sln"), "QAPLIB", "qaplib:read_qaplib", formulation="quadratic-assignment"),
        Format("tsplib", (".tsp",), "TSPLIB", "tsplib:read_tsplib", formulation="travelling-salesman"),
        Format("job-shop", (".jsp",), "job shop", "jobshop:read_jobshop", formulation="job-shop-scheduling"),
        Format("knapsack", (".kp",), "knapsack", "knapsack:read_knapsack", formulation="knapsack"),
        Format(
            "quadratic-knapsack",
            (".qkp",),
            "Billionnet and Soutif's quadratic knapsack",
            "quadratic_knapsack:read_quadratic_knapsack",
            formulation="quadratic-knapsack",
        ),
        Format("set-cover", (".scp",), "OR-Library's set covering", "setcover:read_setcover", formulation="set-cover"),
    )
}
# Formats whose files mostly carry names that say nothing (`G1.txt`, `nug12.dat`), told apart by their content.
_ANONYMOUS = (
    *("gset", "qaplib", "bqp", "biqmac", "dimacs-graph", "dimacs-cnf", "qubo", "coo", "tsplib", "job-shop"),
    *("quadratic-knapsack", "set-cover"),
)
# Which format gives way where both fit. A matrix without a diagonal has the text of a graph, and is one far more often.
# A job shop with as many machines as jobs has as many numbers as two matrices after a size and an optimum, but hardly
# ever do matrices have the machines of a job shop in every second place.
_YIELDS = {"biqmac": "gset", "qaplib": "job-shop"}


@dataclass(frozen=True)
class Choice:
    """The format that a file is read as.

    Attributes:
        format: this one.
        by_content: whether it was guessed from the content, because neither the user nor the file's name says it.
    """

    format: Format
    by_content: bool


@checked
def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        OptionError: there is none.
    """
    if name not in FORMATS:
        raise OptionError(f"unknown format {name!r}{suggestion(name, FORMATS)}")
    return FORMATS[name]


def choose(path: Path, format_name: str | None = None, among: Sequence[str] = ()) -> Choice:
    """The format to read an existing file as.

    Args:
        path: of the file; may end in `#2`, see `Format.read`.
        format_name: what the user says, which decides; None leaves it to the file's name and then to its content.
        among: names of the formats that can be used here; none stands for all.

    Raises:
        OptionError: there is no format of that name, or it cannot be used here.
        FileFormatError: no format or several fit, or the file cannot be read.
    """
    if format_name is not None:
        wanted = get_format(format_name)
        if among and format_name not in among:
            raise OptionError(f"the format {format_name!r} cannot be used here, but {' or '.join(among)}")
        return Choice(wanted, by_content=False)
    if len(among) == 1:
        return Choice(FORMATS[among[0]], by_content=False)
    named = by_suffix(path)
    usable = [each for each in named if not among or each.name in among]
    if named and not usable:
        known = " or ".join(FORMATS[name].summary for name in among)
        raise FileFormatError(f"{path}: is a {named[0].name} file by its name, not a {known}; --format says otherwise")
    if len(usable) == 1:
        return Choice(usable[0], by_content=False)
    return Choice(_by_content(path, usable or [FORMATS[name] for name in among or _ANONYMOUS]), by_content=True)


def guess(path: Path) -> Format:
    """The format of an existing file, by its name or, where that says nothing, by what reads it.

    Raises:
        FileFormatError: no format or several fit, or the file cannot be read.
    """
    return choose(path).format


@checked
def by_suffix(path: Path) -> list[Format]:
    """The formats that a name can stand for; none where it says nothing."""
    name = path.name.lower().removesuffix(".gz").partition("#")[0]
    return [each for each in FORMATS.values() if name.endswith(each.suffixes)]


def _by_content(path: Path, candidates: Sequence[Format]) -> Format:
    """The one format that reads the file."""
    # A file that cannot be read at all is no question of its format.
    next(TextFile(split_number(path)[0]).lines(), None)
    fitting: list[Format] = []
    refusals: list[tuple[float, Format, FileFormatError]] = []
    for each in candidates:
        try:
            each.read(path)
        except UnnumberedError:
            fitting.append(each)
        except FileFormatError as refusal:
            refusals.append((math.inf if refusal.line is None else refusal.line, each, refusal))
        else:
            fitting.append(each)
    names = [each.name for each in fitting]
    fitting = [each for each in fitting if _YIELDS.get(each.name) not in names]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise FileFormatError(f"{path}: could be of the formats {', '.join(names)}; say which with --format")
    if len(candidates) < len(_ANONYMOUS):
        # What got farthest is most likely what the file was meant to be.
        _, nearest, told = max(refusals, key=lambda each: each[0])
        raise FileFormatError(f"{told} (read as {nearest.name}; --format says otherwise)", told.line)
    begun = [f"{each.name} up to line {line:.0f}" for line, each, _ in refusals if 1 < line < math.inf]
    hint = f" (it reads as {', as '.join(begun)}; --format says which is meant)" if begun else ""
    known = ", ".join(FORMATS)
    raise FileFormatError(f"{path}: neither its name nor its content is of a known format{hint}; known: {known}")


@checked
def read_model(path: Path, format_name: str | None = None) -> Model | ConstrainedModel:
    """The model that a file holds.

    Args:
        path: may end in `#2` for the second problem of an OR-Library file.
        format_name: None guesses.

    Raises:
        FileFormatError: the file cannot be read, or holds no model but an instance of a problem.
        OptionError: there is no such format.
    """
    found = choose(path, format_name).format
    model = found.read(path)
    if not isinstance(model, Model | ConstrainedModel):
        raise FileFormatError(f"{path}: is a {found.name} file, which holds no model; name a formulation")
    return model


def read_instance(path: Path, among: Sequence[str], format_name: str | None = None) -> Any:
    """What the file of a problem's instance holds, in the type of the format's reader.

    Args:
        path: of the file.
        among: names of the formats that the problem can be in.
        format_name: one of them; None takes it from the file's name or its content.

    Raises:
        OptionError: there is no format of that name, or the problem is not in it.
        FileFormatError: the file cannot be read, or is of another format.
    """
    return choose(path, format_name, among).format.read(path)


@checked
def split_number(path: Path) -> tuple[Path, int | None]:
    """`bqp50.txt#3` as its path and 3; a file of that very name comes first."""
    name, mark, number = path.name.rpartition("#")
    if mark and number.isdecimal() and not exists(path):
        return path.with_name(name), int(number)
    return path, None


def writable(path: Path, format_name: str | None = None) -> Format:
    """The format to write a file in.

    Args:
        path: of the file.
        format_name: None takes it from the path.

    Raises:
        OptionError: there is no such format, the name says nothing, or the format is only read.
    """
    named = by_suffix(path) if format_name is None else [get_format(format_name)]
    found = named[0] if named else None
    if found is None or found.writer is None:
        names = [each.name for each in FORMATS.values() if each.writer]
        raise OptionError(f"{path}: choose one of the formats that can be written: {', '.join(names)}")
    return found


@checked
def write_model(value: Model | ConstrainedModel, path: Path, format_name: str | None = None) -> None:
    """Write a model so that it is read back to the same, atomically, or refuse.

    Args:
        value: a program can be written as LP only, unless it is a model (see `as_model`).
        path: gzipped where it ends in `.gz`.
        format_name: None takes it from the name.

    Raises:
        OptionError: there is no such format, the name says nothing, or the format is only read.
        UnsupportedProblemError: the format cannot carry the model without loss; the text says what.
        OutputError: the file cannot be written.
    """
    found = writable(path, format_name)
    assert found.writer is not None
    if isinstance(value, ConstrainedModel) and found.name != "lp":
        value = as_model(value) or value
        if isinstance(value, ConstrainedModel):
            raise UnsupportedProblemError(f"{found.name} files hold no constraints and integers, only lp files do")
    made = _load(found.writer)(value)

    def check(written: Path) -> None:
        try:
            lossless = _same(value, found.read(written))
        except FileFormatError:
            lossless = False
        if not lossless:
            raise UnsupportedProblemError(f"{found.name} files cannot carry this model without loss")

    write_atomically(path, made if isinstance(made, bytes) else _encoded(made), check)


def _encoded(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _same(value: Model | ConstrainedModel, back: Model | ConstrainedModel) -> bool:
    if isinstance(back, Model):
        return isinstance(value, Model) and same_model(value, back)
    return same_program(_load("lp_writer:as_program")(value), back)


def _load(target: str) -> Callable[..., Any]:
    module, _, function = target.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"qubo_dnn.files.{module}"), function)
    return found
