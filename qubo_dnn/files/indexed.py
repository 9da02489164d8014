"""Lines `i j bias` with comments that say the rest: what the COO and the qbsolv format have in common."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import dimod
import numpy as np

from qubo_dnn.files.model import Model, ObjectiveSense, plain_label
from qubo_dnn.files.text import TextFile

MOST_VARIABLES = 10_000_000

_KEYS = ("offset", "scale", "sense")
_SENSES: dict[str, ObjectiveSense] = {
    **dict.fromkeys(("min", "minimize", "minimise"), "min"),
    **dict.fromkeys(("max", "maximize", "maximise"), "max"),
}
_KEY_AND_VALUE = re.compile(r"(\w+)\s*[=:]\s*(.*)")


@dataclass
class IndexedModel:
    """A model as it is read: biases by index, and what comments say of it.

    Attributes:
        linear: index -> bias, in the order of the file, which is that of the variables.
        quadratic: indices, the smaller first -> bias.
        names: index -> label, for those that have one.
        offset: constant term.
        scale: by which everything is multiplied, the offset too.
        sense: "min" or "max".
        said: what comments have said so far.
    """

    linear: dict[int, float] = field(default_factory=dict)
    quadratic: dict[tuple[int, int], float] = field(default_factory=dict)
    names: dict[int, int | str] = field(default_factory=dict)
    offset: float = 0.0
    scale: float = 1.0
    sense: ObjectiveSense = "min"
    said: set[str] = field(default_factory=set)

    def add(self, file: TextFile, line: int, fields: list[str], nodes: int = MOST_VARIABLES) -> None:
        """Take one line `i j bias`; a pair that comes again, in either order, is refused.

        Raises:
            FileFormatError: the line is malformed, an index is not below `nodes`, or the entry is there already.
        """
        if len(fields) != 3:
            raise file.error(f"expected 'i j bias', found {len(fields)} fields", line)
        i, j = (file.integer(token, line, "index", 0, nodes - 1) for token in fields[:2])
        bias = file.number(fields[2], line, "bias")
        if i == j:
            if i in self.linear:
                raise file.error(f"the linear bias of {i} is there twice", line)
            self.linear[i] = bias
        else:
            pair = (min(i, j), max(i, j))
            if pair in self.quadratic:
                raise file.error(f"the bias of {i} and {j} is there twice", line)
            self.quadratic[pair] = bias

    def comment(self, file: TextFile, line: int, text: str) -> bool:
        """Take a comment that belongs to the format: `offset`, `scale` or `sense`, or `name INDEX LABEL` (JSON).

        The first three are followed by `=` or `:` and a value, as in `offset=1.5` or `scale : 2`; each is there once.

        Returns:
            Whether it does.

        Raises:
            FileFormatError: it does, and is malformed.
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
        """The model, scaled; variables that only interactions name come last, by index.

        Raises:
            FileFormatError: a name is for no variable, two variables have the same, or scaling leaves the range of a
                float.
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
    """`key=value` or `key : value` of a comment; two empty texts where it has another form."""
    found = _KEY_AND_VALUE.fullmatch(comment.strip())
    return (found[1].lower(), found[2].strip()) if found else ("", "")


def comments(model: Model, form: str) -> Iterator[str]:
    """What `IndexedModel.comment` reads back.

    Raises:
        UnsupportedProblemError: a label is neither an integer nor a text.
    """
    if model.sense == "max":
        yield "sense=max"
    if model.bqm.offset:
        yield f"offset={float(model.bqm.offset)!r}"
    for index, label in enumerate(model.bqm.variables):
        if plain_label(label, form) != index or isinstance(label, str):
            yield f"name {index} {json.dumps(label)}"


def entries(bqm: dimod.BinaryQuadraticModel) -> tuple[list[float], list[tuple[int, int, float]]]:
    """Linear biases in the order of the variables, and `i, j, bias` with i < j."""
    linear, (rows, columns, biases), _ = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    order = np.lexsort((high, low))
    pairs = zip(low[order].tolist(), high[order].tolist(), biases[order].tolist(), strict=True)
    return linear.tolist(), list(pairs)


def read_label(file: TextFile, text: str, line: int | None = None) -> int | str:
    """A label as JSON.

    Raises:
        FileFormatError: it is neither an integer that dimod can hold nor a text.
    """
    try:
        label = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise file.error(f"the label {text!r} is not JSON", line) from cause
    if isinstance(label, bool) or not isinstance(label, int | str) or (isinstance(label, int) and abs(label) >= 2**63):
        raise file.error(f"the label {text!r} is neither an integer of 64 bits nor a text", line)
    return label
