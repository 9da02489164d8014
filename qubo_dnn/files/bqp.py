"""Binary quadratic problems of the OR-Library (`bqp50.txt`, ...), to be maximised.

Grammar (Beasley 1998, http://people.brunel.ac.uk/~mastjjb/jeb/orlib/bqpinfo.html); line breaks have no meaning:

    P            number of problems; for each:
    N M          variables, entries
    I J Q        M entries, 1 <= I, J <= N; off the diagonal an entry stands for Q[I,J] and for Q[J,I]

The objective is the sum over all i, j of Q[i,j] x[i] x[j], so that an entry off the diagonal counts twice.
"""

from __future__ import annotations

from pathlib import Path

import dimod

from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.text import Fields, TextFile


class UnnumberedError(FileFormatError):
    r"""A file contains several problems, and the caller did not choose one.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "bqp.txt")
        ...     _ = path.write_text("2\n1 1\n1 1 5\n1 1\n1 1 6\n")
        ...     try:
        ...         model = read_bqp(path)
        ...     except UnnumberedError:
        ...         model = read_bqp(path, number=2)
        >>> float(model.bqm.linear[1])
        6.0
    """


MOST_PROBLEMS, MOST_VARIABLES, MOST_ENTRIES = 10_000, 1_000_000, 1_000_000_000


def read_bqp(file: TextFile | Path, number: int | None = None) -> Model:
    r"""Read one problem of a file.

    Args:
        file: the file, or its path.
        number: number of the problem, from 1; None: the only problem of the file.

    Returns:
        A model over the variables 1 to n, maximised.

    Raises:
        UnnumberedError: the file has several problems and no number is given.
        FileFormatError: the file cannot be read, breaks the grammar, or has no such problem; the message names file and
            line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "bqp.txt")
        ...     _ = path.write_text("1\n2 2\n1 1 5\n1 2 -3\n")
        ...     read_bqp(path).sense
        'max'
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    fields = Fields(file)
    count = fields.integer("number of problems", 1, MOST_PROBLEMS)
    wanted = 1 if number is None else number
    if not 1 <= wanted <= count:
        raise file.error(f"has the problems 1 to {count}, not {wanted}", fields.line)
    for _ in range(wanted - 1):
        _problem(file, fields)
    found = _problem(file, fields)
    for _ in range(count - wanted):
        _problem(file, fields)
    fields.end("problem")
    if number is None and count > 1:
        raise UnnumberedError(str(file.error(f"has {count} problems; say which, as in {file.path.name}#1")))
    return found


def _problem(file: TextFile, fields: Fields) -> Model:
    n = fields.integer("number of variables", 1, MOST_VARIABLES)
    m = fields.integer("number of entries", 0, MOST_ENTRIES)
    linear: dict[int, float] = {}
    quadratic: dict[tuple[int, int], float] = {}
    for _ in range(m):
        i, j = fields.integer("index", 1, n), fields.integer("index", 1, n)
        value = fields.number("entry")
        if i == j:
            known, linear[i] = i in linear, value
        else:
            pair = (min(i, j), max(i, j))
            known, quadratic[pair] = pair in quadratic, 2.0 * value
        if known:
            raise file.error(f"the entry of {i} and {j} occurs twice", fields.line)
    biases = {i: linear.get(i, 0.0) for i in range(1, n + 1)}
    return Model(dimod.BinaryQuadraticModel(biases, quadratic, 0.0, dimod.BINARY), "max")
