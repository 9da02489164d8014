"""Mixed-integer programs in MPS (`.mps`), fixed or free, read by HiGHS; binary and integer variables only.

HiGHS can hang or crash on malformed files, and so it reads in a child process, which has a limit of time. It names no
lines, and neither do the errors here.

Source: https://highs.dev; extra `mps`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dimod

from qubo_dnn.extras import require
from qubo_dnn.files.model import Program
from qubo_dnn.files.text import TextFile

SECONDS = 60
# Prints the program as JSON; its first argument is the file. Infinite bounds become null.
_CHILD = """
import highspy, json, math, sys
solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
if solver.readModel(sys.argv[1]) != highspy.HighsStatus.kOk:
    sys.exit("it is not a program in MPS")
model = solver.getModel()
lp, hessian = model.lp_, model.hessian_
finite = lambda values: [value if math.isfinite(value) else None for value in map(float, values)]
print(json.dumps({
    "names": list(lp.col_names_), "rows": list(lp.row_names_),
    "sense": "max" if lp.sense_.name == "kMaximize" else "min",
    "integer": [kind.name == "kInteger" for kind in lp.integrality_] or [False] * lp.num_col_,
    "lower": finite(lp.col_lower_), "upper": finite(lp.col_upper_), "cost": [float(c) for c in lp.col_cost_],
    "row_lower": finite(lp.row_lower_), "row_upper": finite(lp.row_upper_), "offset": float(lp.offset_),
    "columnwise": lp.a_matrix_.format_.name == "kColwise", "start": [int(i) for i in lp.a_matrix_.start_],
    "index": [int(i) for i in lp.a_matrix_.index_], "value": [float(v) for v in lp.a_matrix_.value_],
    "quadratic": bool(hessian.dim_ and len(hessian.value_)),
}, allow_nan=False))
"""


def read_mps(file: TextFile | Path) -> Program:
    """Read a program.

    Returns:
        Integer variables within 0 and 1 are binary. A row with two different finite bounds becomes `NAME_lower` and
        `NAME_upper`.

    Raises:
        MissingExtraError: HiGHS is not installed.
        FileFormatError: the file cannot be read, or has continuous variables or a quadratic objective.
    """
    require("highspy", "mps")
    file = file if isinstance(file, TextFile) else TextFile(file)
    found = _read(file)
    if found["quadratic"]:
        raise file.error("has a quadratic objective, which is not supported in MPS; write it as LP")
    cqm = dimod.ConstrainedQuadraticModel()
    objective = dimod.QuadraticModel()
    objective.offset = found["offset"]
    columns = zip(found["names"], found["integer"], found["lower"], found["upper"], found["cost"], strict=True)
    for name, integer, lower, upper, cost in columns:
        if not integer:
            raise file.error(f"{name!r} is continuous; only binary and integer variables are supported")
        low, high = -(2.0**53) + 1 if lower is None else math.ceil(lower), 2.0**53 - 1 if upper is None else upper
        kind = dimod.BINARY if (low, high) == (0, 1) else dimod.INTEGER
        objective.add_variable(
            kind, name, **({} if kind is dimod.BINARY else {"lower_bound": low, "upper_bound": high})
        )
        objective.add_linear(name, cost)
    cqm.set_objective(objective)
    for label, terms, least, most in _rows(found):
        sides = [("_lower", ">=", least), ("_upper", "<=", most)] if least != most else [("", "==", least)]
        bounded = [side for side in sides if side[2] is not None]
        for suffix, sense, bound in bounded:
            name = f"{label}{suffix}" if len(bounded) == 2 else label
            cqm.add_constraint_from_iterable(terms, sense, rhs=bound, label=name)
    return Program(cqm, found["sense"])


def _read(file: TextFile) -> dict[str, Any]:
    """What the child process makes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        # HiGHS goes by the suffix, and does not read what is gzipped under another.
        plain = Path(folder) / "program.mps"
        plain.write_bytes(file.content())
        command = [sys.executable, "-c", _CHILD, str(plain)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as cause:
            raise file.error(f"could not be read within {SECONDS} seconds") from cause
    # HiGHS writes a banner before what is asked for.
    lines = ran.stdout.strip().splitlines()
    if ran.returncode != 0 or not lines:
        reasons = ran.stderr.strip().splitlines() or ["its reader crashed"]
        raise file.error(f"cannot be read by HiGHS: {reasons[-1]}")
    found: dict[str, Any] = json.loads(lines[-1])
    if len(set(found["names"])) < len(found["names"]) or len(set(found["rows"])) < len(found["rows"]):
        raise file.error("uses a name twice")
    return found


def _rows(found: dict[str, Any]) -> list[tuple[str, list[tuple[str, float]], float | None, float | None]]:
    """Label, terms and bounds of every row that has terms."""
    terms: list[list[tuple[str, float]]] = [[] for _ in found["rows"]]
    for outer, (begin, end) in enumerate(zip(found["start"], found["start"][1:], strict=False)):
        for inner, value in zip(found["index"][begin:end], found["value"][begin:end], strict=True):
            row, column = (inner, outer) if found["columnwise"] else (outer, inner)
            terms[row].append((found["names"][column], value))
    every = zip(found["rows"], terms, found["row_lower"], found["row_upper"], strict=True)
    return [each for each in every if each[1]]
