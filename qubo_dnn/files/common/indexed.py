"""Lines `i j bias` with information in comments: the common part of the COO and the qbsolv format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import dimod
import numpy as np

from qubo_dnn.files.common.model import Model, ObjectiveSense, plain_label
from qubo_dnn.files.common.text import TextFile

MOST_VARIABLES = 10_000_000

_KEYS = ("offset", "scale", "sense")
_SENSES: dict[str, ObjectiveSense] = {
    **dict.fromkeys(("min", "minimize", "minimise"), "min"),
    **dict.fromkeys(("max", "maximize", "maximise"), "max"),
}
_KEY_AND_VALUE = re.compile(r"(\w+)\s*[=:]\s*(.*)")


@dataclass
class IndexedModel:
    """A model during reading: biases by index, and information from comments.

    Attributes:
        linear: index -> bias, in the order of the file, which is the order of the variables.
        quadratic: pair of indices, the smaller first -> bias.
        names: index -> label, for variables with a label.
        offset: constant term.
        scale: factor of all biases and of the offset.
        sense: "min" or "max".
        said: keys given in comments so far.

    Example:
        >>> from pathlib import Path
        >>> file, model = TextFile(Path("model.coo")), IndexedModel()
        >>> model.add(file, 1, ["0", "1", "-2"])
        >>> model.comment(file, 2, "offset=1.5")
        True
        >>> model.model(file, dimod.BINARY).bqm.num_interactions
        1
    """

    linear: dict[int, float] = field(default_factory=dict)
    quadratic: dict[tuple[int, int], float] = field(default_factory=dict)
    names: dict[int, int | str] = field(default_factory=dict)
    offset: float = 0.0
    scale: float = 1.0
    sense: ObjectiveSense = "min"
    said: set[str] = field(default_factory=set)

    def add(self, file: TextFile, line: int, fields: list[str], nodes: int = MOST_VARIABLES) -> None:
        """Add one line `i j bias`; a repeated pair, in either order, is refused.

        Raises:
            FileFormatError: the line is malformed, an index is not below `nodes`, or the entry is repeated.
        """
        if len(fields) != 3:
            raise file.error(f"expected 'i j bias', found {len(fields)} fields", line)
        i, j = (file.integer(token, line, "index", 0, nodes - 1) for token in fields[:2])
        bias = file.number(fields[2], line, "bias")
        if i == j:
            if i in self.linear:
                raise file.error(f"the linear bias of {i} occurs twice", line)
            self.linear[i] = bias
        else:
            pair = (min(i, j), max(i, j))
            if pair in self.quadratic:
                raise file.error(f"the bias of {i} and {j} occurs twice", line)
            self.quadratic[pair] = bias

    def comment(self, file: TextFile, line: int, text: str) -> bool:
        """Process a comment that belongs to the format: `offset`, `scale` or `sense`, or `name INDEX LABEL` (JSON).

        The first three are followed by `=` or `:` and a value, as in `offset=1.5` or `scale : 2`; each may occur once.

        Returns:
            True if the comment belongs to the format.

        Raises:
            FileFormatError: the comment belongs to the format and is malformed.
        """
        key, value = key_and_value(text)
        if key in _KEYS:
            if key in self.said:
                raise file.error(f"{key} is given twice", line)
            self.said.add(key)
        if key == "offset":
            self.offset = file.number(value, line, "offset")
        elif key == "scale":
            self.scale = file.number(value, line, "scale")
            if self.scale <= 0.0:
                raise file.error(f"scale is {value}, not greater than 0", line)
        elif key == "sense":
            if value.lower() not in _SENSES:
                raise file.error(f"sense is {value!r}, neither min nor max", line)
            self.sense = _SENSES[value.lower()]
        elif text.startswith("name "):
            words = text.split(None, 2)
            if len(words) != 3:
                raise file.error("expected 'name INDEX LABEL'", line)
            index = file.integer(words[1], line, "index", 0, MOST_VARIABLES - 1)
            if index in self.names:
                raise file.error(f"variable {index} has two names", line)
            self.names[index] = read_label(file, words[2], line)
        else:
            return False
        return True

    def model(self, file: TextFile, vartype: dimod.Vartype) -> Model:
        """Return the scaled model; variables that occur only in interactions come last, by index.

        Raises:
            FileFormatError: a name belongs to no variable, two variables have the same name, or scaling exceeds the
                range of a float.
        """
        others = sorted({end for pair in self.quadratic for end in pair} - self.linear.keys())
        indices = [*self.linear, *others]
        unknown = self.names.keys() - indices
        if unknown:
            raise file.error(f"names the variable {min(unknown)}, which has no bias")
        labels: list[int | str] = [self.names.get(index, index) for index in indices]
        if len(set(labels)) < len(labels):
            raise file.error("two variables have the same name")
        place = {index: position for position, index in enumerate(indices)}
        pairs = [(place[i], place[j]) for i, j in self.quadratic]
        rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
        bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
            np.array([self.linear.get(index, 0.0) for index in indices], float),
            (rows, columns, np.array(list(self.quadratic.values()), float)),
            self.offset,
            vartype,
            variable_order=labels,
        )
        if self.scale != 1.0:
            bqm.scale(self.scale)
            if not all(map(math.isfinite, (*bqm.linear.values(), *bqm.quadratic.values(), bqm.offset))):
                raise file.error(f"the scale {self.scale:g} takes a bias beyond the range of a float")
        return Model(bqm, self.sense)


def key_and_value(comment: str) -> tuple[str, str]:
    """Split `key=value` or `key : value`; return two empty texts for other comments.

    Example:
        >>> key_and_value("offset = 1.5"), key_and_value("a comment")
        (('offset', '1.5'), ('', ''))
    """
    found = _KEY_AND_VALUE.fullmatch(comment.strip())
    return (found[1].lower(), found[2].strip()) if found else ("", "")


def comments(model: Model, form: str) -> Iterator[str]:
    """Generate the comments that `IndexedModel.comment` reads.

    Raises:
        UnsupportedProblemError: a label is neither an integer nor a text.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0}, {}, 2.5, "BINARY"), sense="max")
        >>> list(comments(model, ".coo"))
        ['sense=max', 'offset=2.5', 'name 0 "a"']
    """
    if model.sense == "max":
        yield "sense=max"
    if model.bqm.offset:
        yield f"offset={float(model.bqm.offset)!r}"
    for index, label in enumerate(model.bqm.variables):
        if plain_label(label, form) != index or isinstance(label, str):
            yield f"name {index} {json.dumps(label)}"


def entries(bqm: dimod.BinaryQuadraticModel) -> tuple[list[float], list[tuple[int, int, float]]]:
    """Return the linear biases in the order of the variables, and `i, j, bias` with i < j.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> entries(model.bqm)
        ([1.0, 2.0], [(0, 1, -3.0)])
    """
    linear, (rows, columns, biases), _ = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    order = np.lexsort((high, low))
    pairs = zip(low[order].tolist(), high[order].tolist(), biases[order].tolist(), strict=True)
    return linear.tolist(), list(pairs)


def read_label(file: TextFile, text: str, line: int | None = None) -> int | str:
    """Parse a label in JSON.

    Raises:
        FileFormatError: it is neither an integer of 64 bits nor a text.

    Example:
        >>> from pathlib import Path
        >>> file = TextFile(Path("model.coo"))
        >>> read_label(file, '"a"'), read_label(file, "7")
        ('a', 7)
    """
    try:
        label = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise file.error(f"the label {text!r} is not JSON", line) from cause
    if isinstance(label, bool) or not isinstance(label, int | str) or (isinstance(label, int) and abs(label) >= 2**63):
        raise file.error(f"the label {text!r} is neither an integer of 64 bits nor a text", line)
    return label
