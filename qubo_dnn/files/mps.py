"""Mixed-integer programs in MPS (`.mps`), fixed or free, read by HiGHS: linear constraints, quadratic objectives.

HiGHS can hang or crash on malformed files, so it runs in a child process with a time limit. It reports no lines, and
neither do the errors here.

Source: https://highs.dev; extra `mps`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from qubo_dnn.files.common.model import ConstrainedModel
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.mip import Column, Expression, MixedProgram, Pair, Row
from qubo_dnn.support.extras import require

SECONDS = 60
# Prints the messages of HiGHS, then the program as JSON; the argument is the file. Infinite bounds become null.
_CHILD = """
import highspy, json, math, sys
solver = highspy.Highs()
if solver.readModel(sys.argv[1]) == highspy.HighsStatus.kError:
    sys.exit(1)
model = solver.getModel()
lp, hessian = model.lp_, model.hessian_
finite = lambda values: [value if math.isfinite(value) else None for value in map(float, values)]
print()
print(json.dumps({
    "names": list(lp.col_names_), "rows": list(lp.row_names_),
    "sense": "max" if lp.sense_.name == "kMaximize" else "min",
    "kinds": [kind.name for kind in lp.integrality_] or ["kContinuous"] * lp.num_col_,
    "lower": finite(lp.col_lower_), "upper": finite(lp.col_upper_), "cost": [float(c) for c in lp.col_cost_],
    "row_lower": finite(lp.row_lower_), "row_upper": finite(lp.row_upper_), "offset": float(lp.offset_),
    "columnwise": lp.a_matrix_.format_.name == "kColwise", "start": [int(i) for i in lp.a_matrix_.start_],
    "index": [int(i) for i in lp.a_matrix_.index_], "value": [float(v) for v in lp.a_matrix_.value_],
    "hessian": hessian.format_.name, "hessian_start": [int(i) for i in hessian.start_] if hessian.dim_ else [],
    "hessian_index": [int(i) for i in hessian.index_], "hessian_value": [float(v) for v in hessian.value_],
}, allow_nan=False))
"""
_OTHER_KINDS = {"kSemiContinuous": "semi-continuous", "kSemiInteger": "semi-integer"}


def read_mps(file: TextFile | Path) -> ConstrainedModel:
    """Read a program.

    Returns:
        The program; integer variables within 0 and 1 are binary. `qubo_dnn.files.mip` describes the treatment of
        bounds, ranges, rows without terms and continuous variables.

    Raises:
        MissingExtraError: HiGHS is not installed.
        FileFormatError: the file cannot be read, HiGHS would ignore a part of it, or it has semi-continuous
            variables, continuous ones that are not fixed, or quadratic constraints.

    Example:
        >>> def number_of_variables(path: Path) -> int:
        ...     return read_mps(path).cqm.num_variables()
    """
    require("highspy", "mps")
    file = file if isinstance(file, TextFile) else TextFile(file)
    found, notes = _read(file)
    names: list[str] = found["names"]
    columns = {}
    for name, kind, lower, upper in zip(names, found["kinds"], found["lower"], found["upper"], strict=True):
        if kind in _OTHER_KINDS:
            raise file.error(f"the variable {name!r} is {_OTHER_KINDS[kind]}, which is not supported")
        low, high = -math.inf if lower is None else lower, math.inf if upper is None else upper
        whole: Literal["binary", "integer"] = "binary" if (low, high) == (0.0, 1.0) else "integer"
        columns[name] = Column("continuous" if kind == "kContinuous" else whole, low, high)
    objective = Expression(dict(zip(names, found["cost"], strict=True)), _curvature(found), found["offset"])
    return MixedProgram(file, found["sense"], columns, objective, _rows(found), notes).program()


def _read(file: TextFile) -> tuple[dict[str, Any], list[str]]:
    """Return the result of the child process, and the warnings of HiGHS."""
    with tempfile.TemporaryDirectory() as folder:
        # HiGHS relies on the suffix, and does not read a gzipped file with another suffix.
        plain = Path(folder) / "program.mps"
        plain.write_bytes(file.content())
        command = [sys.executable, "-c", _CHILD, str(plain)]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as cause:
            raise file.error(f"could not be read within {SECONDS} seconds") from cause
    # HiGHS prints a banner and messages before the JSON.
    *said, last = ran.stdout.strip().splitlines() or [""]
    if ran.returncode != 0 or not last.startswith("{"):
        reasons = [line.removeprefix("ERROR:").strip() for line in (*said, last) if line.startswith("ERROR:")]
        reasons += ran.stderr.strip().splitlines()[-1:] or ["its reader ended"]
        raise file.error(f"cannot be read by HiGHS: {reasons[0].replace(str(plain), 'the file')}")
    warnings = [line.removeprefix("WARNING:").strip() for line in said if line.startswith("WARNING:")]
    for warning in warnings:
        if warning.endswith(": ignored"):
            raise file.error(f"HiGHS would ignore a part of it: {warning}")
    found: dict[str, Any] = json.loads(last)
    if len(set(found["names"])) < len(found["names"]) or len(set(found["rows"])) < len(found["rows"]):
        raise file.error("uses a name twice")
    return found, [f"HiGHS: {warning}" for warning in warnings]


def _rows(found: dict[str, Any]) -> list[Row]:
    """Return all rows, including those without terms."""
    terms: list[dict[str, float]] = [{} for _ in found["rows"]]
    for outer, (begin, end) in enumerate(pairwise(found["start"])):
        for inner, value in zip(found["index"][begin:end], found["value"][begin:end], strict=True):
            row, column = (inner, outer) if found["columnwise"] else (outer, inner)
            terms[row][found["names"][column]] = value
    rows = zip(found["rows"], terms, found["row_lower"], found["row_upper"], strict=True)
    return [
        Row(label, Expression(each), -math.inf if low is None else low, math.inf if high is None else high)
        for label, each, low, high in rows
    ]


def _curvature(found: dict[str, Any]) -> dict[Pair, float]:
    """Return the products of `1/2 x'Qx`; HiGHS stores the lower triangle of Q or all of it."""
    products: dict[Pair, float] = {}
    halved = found["hessian"] != "kTriangular"
    for column, (begin, end) in enumerate(pairwise(found["hessian_start"])):
        for row, value in zip(found["hessian_index"][begin:end], found["hessian_value"][begin:end], strict=True):
            one, other = sorted((found["names"][row], found["names"][column]))
            products[one, other] = products.get((one, other), 0.0) + (value / 2.0 if halved or row == column else value)
    return products
