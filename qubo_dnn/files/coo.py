"""Coordinate lists: a header of comments, then one line per bias.

Grammar (dimod's COO, with what it leaves out in comments that other readers pass over):

    # vartype=BINARY|SPIN     required, unless the caller says it
    # sense=max               maximised; minimised without
    # offset=NUMBER           0 without
    # scale=NUMBER            > 0; the biases and the offset are multiplied by it
    # name INDEX LABEL        a JSON integer or text; the index itself without
    # TEXT                    any other comment
    I J BIAS                  linear where I = J; an entry twice is refused

For `=` there may be `:`.
Every variable has a linear line when we write, in the order of the variables; dimod leaves out biases of zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dimod

from qubo_dnn.files.indexed import IndexedModel, comments, entries, key_and_value
from qubo_dnn.files.model import Model
from qubo_dnn.files.text import TextFile


def read_coo(file: TextFile | Path) -> Model:
    """Read a model.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the text names file and line.
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
    """The lines of a file that `read_coo` reads back to the same model.

    Raises:
        UnsupportedProblemError: a label is neither an integer nor a text.
    """
    yield f"# vartype={model.bqm.vartype.name}"
    for comment in comments(model, "COO"):
        yield f"# {comment}"
    linear, quadratic = entries(model.bqm)
    for index, bias in enumerate(linear):
        yield f"{index} {index} {bias!r}"
    for i, j, bias in quadratic:
        yield f"{i} {j} {bias!r}"
