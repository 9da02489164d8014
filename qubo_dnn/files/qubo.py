"""QUBO files of qbsolv, over binary variables.

Grammar (https://github.com/dwavesystems/qbsolv):

    c TEXT                                     comment
    p qubo TOPOLOGY MAXNODES NNODES NCOUPLERS  once, before what follows; the topology means nothing
    I I BIAS                                   NNODES lines, 0 <= I < MAXNODES
    I J BIAS                                   NCOUPLERS lines; the order of the lines is free

A model is minimised unless a comment says otherwise. Comments carry what the format lacks: `c offset : NUMBER` and
`c scale : NUMBER`, as bqpjson writes them (https://github.com/lanl-ansi/bqpjson: the value of a state is scale *
(energy + offset)), and of ours `c sense=max` and `c name INDEX LABEL` (a JSON integer or text); `=` and `:` mean the
same. Nodes without a line are not variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dimod

from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.files.indexed import MOST_VARIABLES, IndexedModel, comments, entries
from qubo_dnn.files.model import Model
from qubo_dnn.files.text import TextFile

MOST_COUPLERS = 1_000_000_000


def read_qubo(file: TextFile | Path) -> Model:
    """Read a model.

    Raises:
        FileFormatError: the file cannot be read or breaks the grammar; the text names file and line.
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
    """The lines of a file that `read_qubo` reads back to the same model.

    Raises:
        UnsupportedProblemError: the model is SPIN, or a label is neither an integer nor a text.
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
