"""All file formats: their names, their file suffixes, and their readers and writers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from qubo_dnn.errors import FileFormatError, OptionError, UnsupportedProblemError, suggestion
from qubo_dnn.files.bqp import UnnumberedError
from qubo_dnn.files.common.model import ConstrainedModel, Model, as_model, same_model, same_program
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.files.common.text import TextFile, exists
from qubo_dnn.support.arguments import checked


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        name: name for `--format`.
        suffixes: suffixes of file names, without `.gz`.
        summary: one line.
        reader: `module:function` of this package.
        writer: `module:function` that returns the lines or the bytes of a file; None if the format is only read.
        formulation: name of the formulation whose `read` reads such a file; None if the file contains a `Model` or
            `ConstrainedModel`, or if the user must name the formulation.
        minimised: True if its files cannot state that a model is maximised.

    Example:
        >>> gset = get_format("gset")
        >>> gset.suffixes, gset.formulation
        (('.gset', '.rud', '.rudy', '.mc'), 'max-cut')
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str
    reader: str
    writer: str | None = None
    formulation: str | None = None
    minimised: bool = False

    def read(self, path: Path) -> Any:
        """Read a file; the type of the result is that of the format's reader.

        Args:
            path: path of the file; may end in `#2` for the second problem of an OR-Library file.

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
# Formats whose files often have uninformative names (`G1.txt`, `nug12.dat`); their content decides.
_ANONYMOUS = (
    *("gset", "qaplib", "bqp", "biqmac", "dimacs-graph", "dimacs-cnf", "qubo", "coo", "tsplib", "job-shop"),
    *("quadratic-knapsack", "set-cover"),
)
# If both formats fit, the key yields to the value. A matrix without a diagonal has the same text as a graph, and is
# usually a graph. A job shop with equally many machines and jobs has as many numbers as two matrices after a size and
# an optimum, but matrices almost never have the machines of a job shop in every second place.
_YIELDS = {"biqmac": "gset", "qaplib": "job-shop"}


@dataclass(frozen=True)
class Choice:
    r"""The format chosen for a file.

    Attributes:
        format: the format.
        by_content: True if it was guessed from the content, because neither the user nor the file name determines it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.gset")
        ...     _ = path.write_text("2 1\n1 2 5\n")
        ...     choose(path).by_content  # the suffix names the format
        False
    """

    format: Format
    by_content: bool


@checked
def get_format(name: str) -> Format:
    """Return the format with this name.

    Raises:
        OptionError: no format has this name.

    Example:
        >>> get_format("gset").summary
        'Gset graph'
        >>> get_format("gest")
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OptionError: unknown format 'gest'; did you mean 'gset'?
    """
    if name not in FORMATS:
        raise OptionError(f"unknown format {name!r}{suggestion(name, FORMATS)}")
    return FORMATS[name]


def choose(path: Path, format_name: str | None = None, among: Sequence[str] = ()) -> Choice:
    r"""Choose the format in which to read an existing file.

    Args:
        path: path of the file; may end in `#2`, see `Format.read`.
        format_name: name given by the user; None: the file name decides, then the content.
        among: names of the formats that can be used here; empty: all formats.

    Raises:
        OptionError: no format has this name, or it cannot be used here.
        FileFormatError: no format or several fit, or the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.txt")
        ...     _ = path.write_text("2 1\n1 2 5\n")
        ...     choose(path).format.name, choose(path, "biqmac").format.name
        ('gset', 'biqmac')
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
    r"""Guess the format of an existing file from its name, or else from the readers that accept it.

    Raises:
        FileFormatError: no format or several fit, or the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.txt")
        ...     _ = path.write_text("2 1\n1 2 5\n")
        ...     guess(path).name
        'gset'
    """
    return choose(path).format


@checked
def by_suffix(path: Path) -> list[Format]:
    """Return the formats that fit the suffix of a name; an empty list if none does.

    Example:
        >>> [each.name for each in by_suffix(Path("model.lp.gz"))]
        ['lp']
    """
    name = path.name.lower().removesuffix(".gz").partition("#")[0]
    return [each for each in FORMATS.values() if name.endswith(each.suffixes)]


def _by_content(path: Path, candidates: Sequence[Format]) -> Format:
    """Return the only format that reads the file."""
    # If the file cannot be read at all, report that instead of a wrong format.
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
        # The format that was read farthest is the most likely one.
        _, nearest, told = max(refusals, key=lambda each: each[0])
        raise FileFormatError(f"{told} (read as {nearest.name}; --format says otherwise)", told.line)
    begun = [f"{each.name} up to line {line:.0f}" for line, each, _ in refusals if 1 < line < math.inf]
    hint = f" (it reads as {', as '.join(begun)}; --format says which is meant)" if begun else ""
    known = ", ".join(FORMATS)
    raise FileFormatError(f"{path}: neither its name nor its content is of a known format{hint}; known: {known}")


@checked
def read_model(path: Path, format_name: str | None = None) -> Model | ConstrainedModel:
    r"""Read the model in a file.

    Args:
        path: path of the file; may end in `#2` for the second problem of an OR-Library file.
        format_name: name of the format; None guesses it.

    Raises:
        FileFormatError: the file cannot be read, or contains an instance of a problem instead of a model.
        OptionError: no format has this name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.coo")
        ...     _ = path.write_text("# vartype=BINARY\n0 0 1.5\n0 1 -2\n")
        ...     read_model(path).bqm.num_variables
        2
    """
    found = choose(path, format_name).format
    model = found.read(path)
    if not isinstance(model, Model | ConstrainedModel):
        raise FileFormatError(f"{path}: is a {found.name} file, which holds no model; name a formulation")
    return model


def read_instance(path: Path, among: Sequence[str], format_name: str | None = None) -> Any:
    r"""Read an instance of a problem; the type of the result is that of the format's reader.

    Args:
        path: path of the file.
        among: names of the formats of the problem.
        format_name: one of them; None guesses it from the name or the content of the file.

    Raises:
        OptionError: no format has this name, or the problem does not use it.
        FileFormatError: the file cannot be read, or has another format.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "graph.gset")
        ...     _ = path.write_text("2 1\n1 2 5\n")
        ...     read_instance(path, ["gset", "dimacs-graph"]).number_of_edges()
        1
    """
    return choose(path, format_name, among).format.read(path)


@checked
def split_number(path: Path) -> tuple[Path, int | None]:
    """Split `bqp50.txt#3` into the path and 3; a file with that exact name takes precedence.

    Example:
        >>> path, number = split_number(Path("bqp50.txt#3"))
        >>> path.name, number
        ('bqp50.txt', 3)
    """
    name, mark, number = path.name.rpartition("#")
    if mark and number.isdecimal() and not exists(path):
        return path.with_name(name), int(number)
    return path, None


def writable(path: Path, format_name: str | None = None) -> Format:
    """Choose the format in which to write a file.

    Args:
        path: path of the file.
        format_name: name of the format; None: the suffix of the path decides.

    Raises:
        OptionError: no format has this name or suffix, or the format is only read.

    Example:
        >>> writable(Path("model.coo")).name
        'coo'
    """
    named = by_suffix(path) if format_name is None else [get_format(format_name)]
    found = named[0] if named else None
    if found is None or found.writer is None:
        names = [each.name for each in FORMATS.values() if each.writer]
        raise OptionError(f"{path}: choose one of the formats that can be written: {', '.join(names)}")
    return found


@checked
def write_model(value: Model | ConstrainedModel, path: Path, format_name: str | None = None) -> None:
    """Write a model to a file, atomically and without loss, or refuse.

    Args:
        value: the model or program; a program can be written only as LP, unless it is a model (see `as_model`).
        path: path of the file; gzipped if it ends in `.gz`.
        format_name: name of the format; None: the suffix of the path decides.

    Raises:
        OptionError: no format has this name or suffix, or the format is only read.
        UnsupportedProblemError: the format cannot represent the model without loss; the message names the reason.
        OutputError: the file cannot be written.

    Example:
        >>> import dimod
        >>> import tempfile
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0}, {}, "BINARY"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_model(model, Path(folder, "model.coo"))
        ...     read_model(Path(folder, "model.coo")).bqm == model.bqm
        True
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
