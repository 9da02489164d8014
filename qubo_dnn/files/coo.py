"""Coordinate lists: a header of comments, then one line per bias.

Grammar (dimod's COO format; additions are in comments, which other readers skip):

    # vartype=BINARY|SPIN     required
    # sense=max               maximised; the default is minimised
    # offset=NUMBER           default 0
    # scale=NUMBER            > 0; the biases and the offset are multiplied by it
    # name INDEX LABEL        a JSON integer or text; default: the index
    # TEXT                    any other comment
    I J BIAS                  linear if I = J; repeated entries are refused

`:` may replace `=`. The writer here gives every variable a linear line, in the order of the variables; dimod omits
biases of zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dimod

from qubo_dnn.files.common.indexed import IndexedModel, comments, entries, key_and_value
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.text import TextFile


def read_coo(file: TextFile | Path) -> Model:
    r"""Read a model.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.coo")
        ...     _ = path.write_text("# vartype=BINARY\n0 0 1.5\n0 1 -2\n")
        ...     bqm = read_coo(path).bqm
        >>> float(bqm.linear[0]), float(bqm.quadratic[0, 1])
        (1.5, -2.0)
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    found, vartype = IndexedModel(), None
    for line, text in file.lines():
        stripped = text.strip()
        if stripped.startswith("#"):
            comment = stripped[1:].strip()
            key, value = key_and_value(comment)
            if key == "vartype":
                if value not in ("BINARY", "SPIN"):
                    raise file.error(f"vartype is {value!r}, neither BINARY nor SPIN", line)
                vartype = dimod.as_vartype(value)
            else:
                found.comment(file, line, comment)
        elif stripped:
            found.add(file, line, stripped.split())
    if vartype is None:
        raise file.error("has no line '# vartype=BINARY' or '# vartype=SPIN'")
    return found.model(file, vartype)


def coo_lines(model: Model) -> Iterator[str]:
    r"""Generate the lines of a file from which `read_coo` reads the same model.

    Raises:
        UnsupportedProblemError: a label is neither an integer nor a text.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> print(*coo_lines(model), sep="\n")
        # vartype=BINARY
        # name 0 "a"
        # name 1 "b"
        0 0 1.0
        1 1 2.0
        0 1 -3.0
    """
    yield f"# vartype={model.bqm.vartype.name}"
    for comment in comments(model, "COO"):
        yield f"# {comment}"
    linear, quadratic = entries(model.bqm)
    for index, bias in enumerate(linear):
        yield f"{index} {index} {bias!r}"
    for i, j, bias in quadratic:
        yield f"{i} {j} {bias!r}"
