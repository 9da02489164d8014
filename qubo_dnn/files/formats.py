"""All formats: their names, by which name of a file they are guessed, and what reads and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from qubo_dnn.errors import FileFormatError, OptionError, UnsupportedProblemError, suggestion
from qubo_dnn.files.model import Model, Program, as_model, same_model, same_program
from qubo_dnn.files.output import write_atomically
from qubo_dnn.files.text import TextFile


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
            `Model` or `Program`, or where that has to be said.
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
        """What the file holds, in the type of the format's reader."""
        return _load(self.reader)(TextFile(path))


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
        Format("gset", (".gset", ".rud", ".mc"), "Gset graph", "gset:read_gset", formulation="max-cut"),
        Format("dimacs-graph", (".col", ".clq", ".edge"), "DIMACS graph", "dimacs_graph:read_dimacs_graph"),
        Format("dimacs-cnf", (".cnf", ".wcnf"), "DIMACS clauses", "dimacs_cnf:read_dimacs_cnf", formulation="max-sat"),
        Format("qaplib", (".qap",), "QAPLIB", "qaplib:read_qaplib", formulation="quadratic-assignment"),
        Format("tsplib", (".tsp",), "TSPLIB", "tsplib:read_tsplib", formulation="travelling-salesman"),
        Format("job-shop", (".jsp",), "job shop", "jobshop:read_jobshop", formulation="job-shop-scheduling"),
        Format("knapsack", (".kp",), "knapsack", "knapsack:read_knapsack", formulation="knapsack"),
        Format("set-cover", (".scp",), "OR-Library's set covering", "setcover:read_setcover", formulation="set-cover"),
    )
}
# Formats whose files mostly carry names that say nothing (`G1.txt`, `nug12.dat`), told apart by their content.
_ANONYMOUS = ("gset", "qaplib", "bqp", "dimacs-graph", "dimacs-cnf", "qubo", "coo", "tsplib", "job-shop")


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        OptionError: there is none.
    """
    if name not in FORMATS:
        raise OptionError(f"unknown format {name!r}{suggestion(name, FORMATS)}")
    return FORMATS[name]


def guess(path: Path) -> Format:
    """The format of an existing file, by its name or, where that says nothing, by what reads it.

    Raises:
        FileFormatError: no format or several fit, or the file cannot be read.
    """
    fitting = by_suffix(path)
    if fitting is not None:
        return fitting
    # A file that cannot be read at all is no question of its format.
    next(TextFile(path).lines(), None)
    reading = [FORMATS[name] for name in _ANONYMOUS if _reads(FORMATS[name], path)]
    if len(reading) == 1:
        return reading[0]
    if reading:
        names = ", ".join(each.name for each in reading)
        raise FileFormatError(f"{path}: could be of the formats {names}; say which with --format")
    raise FileFormatError(f"{path}: neither its name nor its content is of a known format; known: {', '.join(FORMATS)}")


def by_suffix(path: Path) -> Format | None:
    """The format that a name stands for, None where it says nothing."""
    name = path.name.lower().removesuffix(".gz").partition("#")[0]
    return next((each for each in FORMATS.values() if name.endswith(each.suffixes)), None)


def read_model(path: Path, format_name: str | None = None) -> Model | Program:
    """The model that a file holds.

    Args:
        path: may end in `#2` for the second problem of an OR-Library file.
        format_name: None guesses.

    Raises:
        FileFormatError: the file cannot be read, or holds no model but an instance of a problem.
        OptionError: there is no such format.
    """
    plain, number = split_number(path)
    found = guess(plain) if format_name is None else get_format(format_name)
    if found.name == "bqp":
        model = _load(found.reader)(TextFile(plain), number)
    elif number is not None:
        raise FileFormatError(f"{path}: {found.name} files hold one problem, and no number can be asked for")
    else:
        model = found.read(plain)
    if not isinstance(model, Model | Program):
        raise FileFormatError(f"{path}: is a {found.name} file, which holds no model; name a formulation")
    return model


def split_number(path: Path) -> tuple[Path, int | None]:
    """`bqp50.txt#3` as its path and 3; a file of that very name comes first."""
    name, mark, number = path.name.rpartition("#")
    if mark and number.isdecimal() and not path.exists():
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
    found = by_suffix(path) if format_name is None else get_format(format_name)
    if found is None or found.writer is None:
        names = [each.name for each in FORMATS.values() if each.writer]
        raise OptionError(f"{path}: choose one of the formats that can be written: {', '.join(names)}")
    return found


def write_model(value: Model | Program, path: Path, format_name: str | None = None) -> None:
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
    if isinstance(value, Program) and found.name != "lp":
        value = as_model(value) or value
        if isinstance(value, Program):
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


def _same(value: Model | Program, back: Model | Program) -> bool:
    if isinstance(back, Model):
        return isinstance(value, Model) and same_model(value, back)
    return same_program(_load("lp_writer:as_program")(value), back)


def _reads(candidate: Format, path: Path) -> bool:
    try:
        candidate.read(path)
    except FileFormatError:
        return False
    return True


def _load(target: str) -> Callable[..., Any]:
    module, _, function = target.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"qubo_dnn.files.{module}"), function)
    return found
