"""Satisfiability problems: DIMACS CNF, and the weighted WCNF of the MaxSAT evaluations, up to 2021 and from 2022 on.

Grammar (DIMACS, "Satisfiability: Suggested Format", 1993; https://maxsat-evaluations.github.io/2020/ and .../2022/):

    c TEXT             comment, on a line of its own
    p cnf N M          variables, clauses; once, before the clauses
    p wcnf N M [TOP]   the same with weights; a clause whose weight is TOP or more is hard
    [W] L1 L2 ... 0    clauses, which may span lines: literals -N..-1 and 1..N, ended by 0; W, an integer > 0, in WCNF
    only %                  ends the file (the uniform random files of SATLIB have it, and a 0 after it)

A file without a line `p` is WCNF of 2022: W is `h` for a hard clause, and N is the largest variable that occurs.
Without any `h`, the name of the file must end in `.wcnf`, because it could also be a CNF file without its first line.

Soft clauses whose weights sum to more than 2^53 are refused: beyond that, a float does not represent every integer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from qubo_dnn.files.common.text import TextFile

MOST_VARIABLES = 10_000_000
MOST_CLAUSES = 100_000_000
MOST_TOP = 2**64 - 1
MOST_SOFT = 2**53
_HARD = "h"


@dataclass(frozen=True)
class Cnf:
    """Clauses in conjunctive normal form.

    Args:
        variables: number of variables, which are called 1..variables.
        clauses: literals of every clause as in the file (duplicates and complements included): v for a true variable,
            -v for a false one. An empty clause cannot be satisfied.
        weights: the cost of leaving a clause unsatisfied, `math.inf` for a hard clause; None for a file without
            weights, in which all clauses count equally.

    Example:
        >>> cnf = Cnf(variables=2, clauses=((1, 2), (-1,)), weights=None)
        >>> len(cnf.clauses)
        2
    """

    variables: int
    clauses: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...] | None


def read_dimacs_cnf(file: TextFile | Path) -> Cnf:
    r"""Read the clauses of a CNF or WCNF file.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "clauses.cnf")
        ...     _ = path.write_text("p cnf 2 2\n1 2 0\n-1 0\n")
        ...     read_dimacs_cnf(path).clauses
        ((1, 2), (-1,))
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = _rows(file)
    line, header = next(rows, (None, []))
    top, announced = MOST_TOP, -1
    match header:
        case ["p", "cnf" | "wcnf", n, m, *rest] if len(rest) <= (header[1] == "wcnf"):
            weighted = header[1] == "wcnf"
            variables = file.integer(n, line, "number of variables", 0, MOST_VARIABLES)
            announced = file.integer(m, line, "number of clauses", 0, MOST_CLAUSES)
            if rest:
                top = file.integer(rest[0], line, "top", 1, MOST_TOP)
        case [first, *_] if line is not None and (first == _HARD or first.isdecimal()):
            weighted, variables = True, MOST_VARIABLES
            rows = chain([(line, header)], rows)
        case _:
            raise file.error("expected 'p cnf N M', 'p wcnf N M TOP', or a clause with its weight or 'h'", line)

    clauses: list[tuple[int, ...]] = []
    weights: list[float] = []
    clause: list[int] = []
    due = weighted  # True if the next field is the weight of a clause
    for line, fields in rows:
        for field in fields:
            if due:
                hard = field == _HARD and announced < 0
                weights.append(math.inf if hard else _weight(file, field, line, top))
                due = False
            elif literal := file.integer(field, line, "literal", -variables, variables):
                clause.append(literal)
            else:
                clauses.append(tuple(clause))
                clause, due = [], weighted
    if clause or len(weights) > len(clauses):
        raise file.error("ends within a clause; a clause ends with 0")
    if announced < 0:
        if math.inf not in weights and not file.path.name.lower().removesuffix(".gz").endswith(".wcnf"):
            raise file.error("has no line 'p cnf N M' or 'p wcnf N M TOP', and no hard clause 'h ... 0' either")
        variables = max((abs(literal) for clause in clauses for literal in clause), default=0)
    elif len(clauses) != announced:
        raise file.error(f"announces {announced} clauses but has {len(clauses)}")
    if sum(int(weight) for weight in weights if weight < math.inf) > MOST_SOFT:
        raise file.error("the weights of the soft clauses add up to more than 2^53, where sums are no longer exact")
    return Cnf(variables, tuple(clauses), tuple(weights) if weighted else None)


def _rows(file: TextFile) -> Iterator[tuple[int, list[str]]]:
    """Generate the fields of every line that is not a comment, up to the end mark."""
    ended = False
    for line, text in file.lines():
        fields = text.split()
        if ended:
            if fields not in ([], ["0"]):
                raise file.error("more text after the end mark '%'", line)
        elif fields == ["%"]:
            ended = True
        elif fields and fields[0] != "c":
            yield line, fields


def _weight(file: TextFile, field: str, line: int, top: int) -> float:
    """Return the cost of a clause; a weight without a top is soft."""
    weight = file.integer(field, line, "weight", 1, MOST_TOP)
    if weight >= top:
        return math.inf
    if weight > MOST_SOFT:
        raise file.error(f"the weight {weight} of a soft clause is beyond 2^53", line)
    return float(weight)
