"""Binary quadratic problems of the Biq Mac Library (`.sparse`), to be minimised.

Grammar (Wiegele 2007, "Biq Mac Library", http://biqmac.uni-klu.ac.at/biqmaclib.html):

    # TEXT      comment
    N M         variables, entries
    I J Q       M lines, 1 <= I, J <= N; off the diagonal an entry stands for Q[I,J] and for Q[J,I]

The objective is x'Qx of the symmetric Q, so that an entry off the diagonal counts twice. A file may list all of these
entries in both directions with the same meaning; M is then the number of entries or of lines.
"""

from __future__ import annotations

from pathlib import Path

import dimod

from qubo_dnn.files.bqp import MOST_ENTRIES, MOST_VARIABLES
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.symmetric import SymmetricEntries
from qubo_dnn.files.common.text import TextFile


def read_biqmac(file: TextFile | Path) -> Model:
    r"""Read a problem.

    Returns:
        A model over the variables 1 to n, minimised.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "be.sparse")
        ...     _ = path.write_text("2 2\n1 1 5\n1 2 -3\n")
        ...     bqm = read_biqmac(path).bqm
        >>> float(bqm.quadratic[1, 2])  # the sum of Q[1,2] and Q[2,1]
        -6.0
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    rows = file.rows(comments=("#",))
    line, header = next(rows, (None, []))
    if len(header) != 2:
        raise file.error("expected the numbers of variables and entries", line)
    n = file.integer(header[0], line, "number of variables", 1, MOST_VARIABLES)
    announced = file.integer(header[1], line, "number of entries", 0, MOST_ENTRIES)

    linear: dict[int, float] = {}
    pairs = SymmetricEntries(file, "the entry of")
    for line, fields in rows:
        if len(fields) != 3:
            raise file.error(f"expected an entry 'i j q', found {len(fields)} fields", line)
        i, j = (file.integer(field, line, "index", 1, n) for field in fields[:2])
        value = file.number(fields[2], line, "entry")
        if i != j:
            pairs.add(line, i, j, value)
        elif i in linear:
            raise file.error(f"the entry of {i} and {j} occurs twice", line)
        else:
            linear[i] = value
    pairs.check()
    if announced not in (len(linear) + len(pairs.values), len(linear) + pairs.lines):
        raise file.error(f"announces {announced} entries but has {len(linear) + len(pairs.values)}")

    biases = {i: linear.get(i, 0.0) for i in range(1, n + 1)}
    quadratic = {pair: 2.0 * value for pair, value in pairs.values.items()}
    return Model(dimod.BinaryQuadraticModel(biases, quadratic, 0.0, dimod.BINARY), "min")
