"""QUBO files of qbsolv, over binary variables.

Grammar (https://github.com/dwavesystems/qbsolv):

    c TEXT                                     comment
    p qubo TOPOLOGY MAXNODES NNODES NCOUPLERS  once, before the other lines; the topology is ignored
    I I BIAS                                   NNODES lines, 0 <= I < MAXNODES
    I J BIAS                                   NCOUPLERS lines; lines may have any order

A model is minimised unless a comment states otherwise. Comments add information that the format lacks: `c offset :
NUMBER` and `c scale : NUMBER` as in bqpjson (https://github.com/lanl-ansi/bqpjson: the value of a state is scale *
(energy + offset)), and the extensions `c sense=max` and `c name INDEX LABEL` (a JSON integer or text); `=` and `:` are
equivalent. Nodes without a line are not variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dimod

from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.files.common.indexed import MOST_VARIABLES, IndexedModel, comments, entries
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.text import TextFile

MOST_COUPLERS = 1_000_000_000


def read_qubo(file: TextFile | Path) -> Model:
    r"""Read a model.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.qubo")
        ...     _ = path.write_text("p qubo 0 2 2 1\n0 0 1.5\n1 1 2\n0 1 -2\n")
        ...     read_qubo(path).bqm.num_interactions
        1
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    found = IndexedModel()
    header: tuple[int, int, int] | None = None
    for line, text in file.lines():
        match text.split():
            case []:
                pass
            case ["c", *_]:
                found.comment(file, line, text.strip()[1:].strip())
            case ["p", "qubo", _, most, nodes, couplers] if header is None:
                header = (
                    file.integer(most, line, "maxNodes", 0, MOST_VARIABLES),
                    file.integer(nodes, line, "nNodes", 0, MOST_VARIABLES),
                    file.integer(couplers, line, "nCouplers", 0, MOST_COUPLERS),
                )
            case ["p", *_]:
                raise file.error("expected 'p qubo TOPOLOGY MAXNODES NNODES NCOUPLERS', once", line)
            case _ if header is None:
                raise file.error("the line 'p qubo ...' has to come first", line)
            case fields:
                found.add(file, line, fields, header[0])
    if header is None:
        raise file.error("has no line 'p qubo TOPOLOGY MAXNODES NNODES NCOUPLERS'")
    have = (len(found.linear), len(found.quadratic))
    if have != header[1:]:
        raise file.error(f"announces {header[1]} nodes and {header[2]} couplers but has {have[0]} and {have[1]}")
    return found.model(file, dimod.BINARY)


def qubo_lines(model: Model) -> Iterator[str]:
    r"""Generate the lines of a file from which `read_qubo` reads the same model.

    Raises:
        UnsupportedProblemError: the model is SPIN, or a label is neither an integer nor a text.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> print(*qubo_lines(model), sep="\n")
        c name 0 "a"
        c name 1 "b"
        p qubo 0 2 2 1
        0 0 1.0
        1 1 2.0
        0 1 -3.0
    """
    if model.bqm.vartype is not dimod.BINARY:
        raise UnsupportedProblemError(".qubo files hold BINARY models, and this one is SPIN; write .coo or .bqm")
    for comment in comments(model, ".qubo"):
        yield f"c {comment}"
    linear, quadratic = entries(model.bqm)
    yield f"p qubo 0 {len(linear)} {len(linear)} {len(quadratic)}"
    for index, bias in enumerate(linear):
        yield f"{index} {index} {bias!r}"
    for i, j, bias in quadratic:
        yield f"{i} {j} {bias!r}"
