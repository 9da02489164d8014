"""LP files as programs write them and as people do."""

from __future__ import annotations

from pathlib import Path

import dimod
import pytest

from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.common.model import ConstrainedModel
from qubo_dnn.files.lp import read_lp
from tests.unit.files.programs import optimum


def read(folder: Path, text: str) -> ConstrainedModel:
    path = folder / "model.lp"
    path.write_text(text)
    return read_lp(path)


def around(body: str, bounds: str = "", kinds: str = "Binary\n x y z\n") -> str:
    """A program that maximises x + 2 y + 4 z, which tells all states apart."""
    return f"Maximize\n obj: x + 2 y + 4 z\nSubject To\n{body}\nBounds\n{bounds}\n{kinds}End\n"


PULP = r"""\* a_problem *\
Minimize
OBJ: __dummy
Subject To
_C1: x_1 + x_2 >= 1
_dummy: __dummy = 0
Bounds
__dummy = 0
Binaries
x_1
x_2
End
"""
PYOMO = r"""\* Source Pyomo model name=unknown *\

max
obj:
+3 ONE_VAR_CONSTANT
+1 x(1)
+2 x(2_1)
+ [
+4 x(1)*x(2_1)
] / 2

s.t.

c_u_limit_:
+1 x(1)
+1 i
<= 2

r_l_e_:
1 <= +1 x(1) +1 x(2_1) <= 2

c_e_ONE_VAR_CONSTANT:
ONE_VAR_CONSTANT = 1.0

bounds
   0 <= x(1) <= 1
   0 <= x(2_1) <= 1
   -inf <= i <= +inf
   i >= 1
binary
  x(1)
  x(2_1)
general
  i
end
"""
GUROBI = """\\ Model name
\\ LP format - for model browsing. Use MPS format to capture full model detail.
Maximize
  x[0] + 2 x[1] - i[a,b] + [ 2 x[0] * x[1] - 4 i[a,b] ^2 ] / 2
Subject To
 R0: x[0] + x[1] + i[a,b] <= 3
 qc0: [ x[0] * x[1] + i[a,b] ^ 2 ] <= 10
Lazy Constraints
 R1: x[0] + x[1] <= 1
Bounds
 i[a,b] >= -1e+30
 i[a,b] <= 2
 -2 <= i[a,b]
Binaries
 x[0] x[1]
Generals
 i[a,b]
End
"""
CPLEX = r"""\ENCODING=ISO-8859-1
\Problem name: r

Maximize
 obj1: x#1 + 2 y!
      + 3 e1 + [ 4 x#1 * y! ] / 2
Subject To
 R1: 2 <= x#1 + y!
      + e1 <= 4
 c2: - x#1 + Rg = 0
 l1: x#1 - y! <= 0
User Cuts
 u1: x#1 + y! <= 1
Bounds
 0 <= x#1 <= 1
 0 <= y! <= 1
 0 <= Rg <= 1
 e1 <= 1e+20
Binaries
 x#1  y!
Generals
 e1
End
"""
HIGHS = r"""\ File written by HiGHS .lp file handler
min
 obj: -1 c0 +2 c1 + [ +2 c0 * c0 +2 c0 * c1 +4 c1 * c1  ]/2  +2.5
st
 r0lo: +1 c0 +1 c1 >= -3
 r0up: +1 c0 +1 c1 <= +3
bounds
 -1.5 <= c0 <= 2
 -1 <= c1 <= 1.5
 c2 = 3
bin
gen
 c0
 c1
 c2
semi
end
"""


@pytest.mark.parametrize(
    ("text", "best", "constraints"),
    [
        pytest.param(PULP, 0.0, ["_C1"], id="pulp"),
        pytest.param(PYOMO, 8.0, ["c_u_limit_", "r_l_e__lower", "r_l_e__upper"], id="pyomo"),
        pytest.param(GUROBI, 2.0, ["R0", "qc0", "R1"], id="gurobi"),
        pytest.param(CPLEX, 12.0, ["R1_lower", "R1_upper", "c2_lower", "c2_upper", "l1"], id="cplex"),
        pytest.param(HIGHS, 1.5, ["r0lo", "r0up"], id="highs"),
    ],
)
def test_dialects_mean_what_their_writers_mean(tmp_path: Path, text: str, best: float, constraints: list[str]) -> None:
    program = read(tmp_path, text)
    assert optimum(program) == best
    assert list(program.cqm.constraints) == constraints


def test_what_is_replaced_or_left_out_is_noted(tmp_path: Path) -> None:
    assert read(tmp_path, PYOMO).notes == ("continuous variables replaced by their only value: ONE_VAR_CONSTANT = 1",)
    cuts, unused = read(tmp_path, CPLEX).notes
    assert cuts == "user cuts left out, as they follow from the constraints: 1"
    assert unused.endswith("left out: Rg")


@pytest.mark.parametrize(
    ("row", "best"),
    [
        pytest.param("c: x + y + z <= 1", 4, id="plain"),
        pytest.param("c: 1 >= x + y + z", 4, id="number-first"),
        pytest.param("1 >= x + y\n + z", 4, id="number-first-over-two-lines"),
        pytest.param("c: x + y + z =< 1", 4, id="reversed-sign"),
        pytest.param("c: x + y + z < 1", 4, id="strict-sign"),
        pytest.param("c: x + y + z == 1", 4, id="double-equal"),
        pytest.param("c: 2 <= x + y + z <= 2", 6, id="range"),
        pytest.param("c: 2 >= x + y + z\n >= 1", 6, id="range-from-above"),
        pytest.param("-1 <= x + y + z <= 1", 4, id="range-without-name"),
        pytest.param("c: x + z <= y", 6, id="two-sides"),
        pytest.param("c: x + z + 1 <= y + 1", 6, id="constants-on-both-sides"),
        pytest.param("c: x + z <= y + x\n d: z <= 0", 3, id="next-row-after-a-variable"),
        pytest.param("z <= y\n y <= 0", 1, id="next-row-without-name"),
        pytest.param("z <= y\n + x <= 0", 6, id="next-row-begins-with-a-sign"),
        pytest.param("c: z <= y -\n x", 7 - 1, id="right-side-goes-on-behind-an-operator"),
        pytest.param("c: z <= y\n - x\n d: x >= 1", 3, id="right-side-goes-on-before-a-name"),
        pytest.param("x <= 0\n y <= 0", 4, id="number-then-name-on-the-next-line"),
        pytest.param("c: x + x + y - y <= 1", 6, id="repeated-variables"),
        pytest.param("c: 0 x = 1", None, id="zero-equals-one"),
        pytest.param("c: = 1", None, id="nothing-equals-one"),
        pytest.param("c: 0 x <= 1", 7, id="zero-is-less-than-one"),
        pytest.param("c: x - x >= 1", None, id="terms-that-vanish"),
        pytest.param("c: [x*y + 2 y*z] <= 1", 5, id="tight-quadratic-row"),
        pytest.param("c: [ x^2 + y ^ 2 + z*z ] <= 1", 4, id="squares"),
        pytest.param("c: - [ x * y + 3 y * z ] + x >= -2", 5, id="negative-quadratic-row"),
        pytest.param("c: x + y + z <= 1e+30", 7, id="infinite-right-side"),
        pytest.param("", 7, id="no-rows"),
    ],
)
def test_rows_in_all_their_forms(tmp_path: Path, row: str, best: float | None) -> None:
    assert optimum(read(tmp_path, around(row))) == best


@pytest.mark.parametrize(
    ("bounds", "best"),
    [
        pytest.param("x = 0", 6, id="fixed"),
        pytest.param("0 <= y <= 1", 7, id="own-bounds"),
        pytest.param("x <= 0.5\n -inf <= y <= 1e+30", 6, id="rounded-inwards"),
        pytest.param("z >= -1e30\n z <= 0.9", 3, id="infinite-and-rounded"),
        pytest.param("+infinity >= x >= -Infinity", 7, id="words-from-above"),
        pytest.param("z free\n z <= 5", 7, id="free"),
        pytest.param("y <= 0\n y <= 1", 7, id="the-last-one-counts"),
    ],
)
def test_bounds_of_binary_variables_meet_0_and_1(tmp_path: Path, bounds: str, best: float) -> None:
    assert optimum(read(tmp_path, around("", bounds))) == best


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        pytest.param("-7.5 <= x <= -2.5", -7, -3, id="negative"),
        pytest.param("1.5 <= x <= 2.5", 2, 2, id="single"),
        pytest.param("x = 3", 3, 3, id="equal"),
        pytest.param("x <= 2.9999999", 0, 2, id="just-below"),
        pytest.param("-inf <= x\n x <= -0.5", -(2**53) + 1, -1, id="unbounded"),
    ],
)
def test_bounds_of_integers_are_rounded_inwards(tmp_path: Path, bounds: str, low: int, high: int) -> None:
    cqm = read(tmp_path, around("", bounds, "General\n x\nBinary\n y z\n")).cqm
    assert (cqm.lower_bound("x"), cqm.upper_bound("x")) == (low, high)


def test_rows_without_a_name_take_none_that_is_taken(tmp_path: Path) -> None:
    text = around(" x <= 1\n c1: y <= 1\n y <= 1\n c3_2: x <= 1\n c3: x <= 1\n 0 <= x + y <= 1\n c6_lower: y <= 1")
    labels = list(read(tmp_path, text).cqm.constraints)
    assert labels == ["c1_2", "c1", "c3_3", "c3_2", "c3", "c6_lower_2", "c6_upper", "c6_lower"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("max x\nst\n c: x <= 1\nbin\n x\nend\n", id="short-words"),
        pytest.param("MAXIMIZE obj: x SUBJECT TO c: x <= 1 BOUNDS x <= 1\nBINARIES\nx END", id="one-line"),
        pytest.param("Maximum\n x\nSuch That\nBin\n x\nEnd\n", id="no-rows"),
        pytest.param("maximise\n obj: + x s.t.\n c: x <= 1\nInteger\n x\nEND\n", id="behind-a-term"),
        pytest.param("max\n x +\n bin\nst\n bin + x <= 1\nbinary\n x bin\nend\n", id="word-as-a-name"),
    ],
)
def test_words_of_sections_in_all_their_forms(tmp_path: Path, text: str) -> None:
    assert optimum(read(tmp_path, text)) == 1.0


@pytest.mark.parametrize("objective", ["obj:", "", "obj: 0", "0 x"])
def test_an_objective_may_be_empty(tmp_path: Path, objective: str) -> None:
    program = read(tmp_path, f"min\n{objective}\nst\n c: x + y >= 1\nbin\n x y\nend\n")
    assert (optimum(program), set(program.cqm.variables)) == (0.0, {"x", "y"})


def test_an_objective_may_be_left_out(tmp_path: Path) -> None:
    """As dimod does where all biases are 0."""
    program = read(tmp_path, "Subject To\n c: x + y >= 1\nBinary\n x y\nEnd\n")
    assert (program.sense, optimum(program)) == ("min", 0.0)


@pytest.mark.parametrize(
    "objective",
    [
        "[x*y - 4 y*z]/2",
        "[ x * y - 4 y * z ] / 2",
        "[ x*y ] / 2 - [4 y*z]/2",
        "- [ 4 y * z - x * y ]/2 + 0 x",
        "- 2 z\n + [x*y]/2",
    ],
)
def test_quadratic_objectives_with_and_without_spaces(tmp_path: Path, objective: str) -> None:
    text = f"Minimize\n obj: {objective}\nSubject To\n c1: x + y + z >= 2\nBinary\n x y z\nEnd\n"
    assert optimum(read(tmp_path, text)) == -2.0


@pytest.mark.parametrize(
    "name", ["x(1)", "x[1]", "x[a,b]", "x#1", "x_1.2", "!x", "e1", "E2x", "x'", "a/b", "{x}", "x@y|z"]
)
def test_names_may_have_odd_characters(tmp_path: Path, name: str) -> None:
    text = f"max\n obj: 3 {name} - [2 {name}*y + {name}^2]/2\nst\n {name}c: 2 {name} + y <= 2\nbin\n {name} y\nend\n"
    program = read(tmp_path, text)
    assert (list(program.cqm.variables), list(program.cqm.constraints)) == ([name, "y"], [f"{name}c"])
    assert optimum(program) == 2.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            around("", "0.2 <= x <= 0.8", "General\n x\nBinary\n y z\n"),
            "6: the integer variable 'x' is within 0.2 and 0.8",
            id="no-integer",
        ),
        pytest.param(
            around("", "x <= -2", "General\n x\nBinary\n y z\n"),
            ":6: the integer variable 'x' is within 0 and -2",
            id="negative-upper",
        ),
        pytest.param(around("", "x >= 1.5"), "6: 'x' is within 1.5 and inf, which leaves no value", id="no-bit"),
        pytest.param(around("", "w = inf"), ":6: 'w' is within inf and inf", id="infinite"),
        pytest.param(around("c: x + w <= 1\n d: w - y <= 1"), ":4: the variable 'w' is continuous", id="continuous"),
        pytest.param(
            around("c: x = 1 -> y + z <= 1"), ":4: the indicator constraint 'c' is not supported", id="indicator"
        ),
        pytest.param(around("x = 1 -> y + z <= 1"), ":4: the indicator constraint", id="indicator-without-name"),
        pytest.param(around("c: x + y"), ":5: expected relation, found 'bounds'", id="no-relation"),
        pytest.param(around("c: x <= 1 >= 2"), ":4: expected 'number <= expression <= number'", id="crossed-range"),
        pytest.param(
            around("c: x <= y <= 2"), ":4: expected 'number <= expression <= number'", id="variable-as-a-limit"
        ),
        pytest.param(around("c: x y <= 1"), ":4: expected + or - before 'y'", id="no-operator"),
        pytest.param(around("c: x <= 1\n c: y <= 1"), ":5: two constraints are called 'c'", id="same-name"),
        pytest.param(
            around("", "", "Binary\n x y z\nSOS\n s1: S1 :: x : 1\n"),
            ":9: the section 'sos' is not supported",
            id="sos",
        ),
        pytest.param(
            around("", "", "Binary\n x y z\nGeneral Constraints\n g: z = AND ( x , y )\n"),
            "'general constraints' is not",
            id="general-constraints",
        ),
        pytest.param(
            around("", "", "Binary\n x y\nSemi-Continuous\n z\n"),
            ":9: the section 'semi-continuous' is not supported",
            id="semi",
        ),
        pytest.param("max\n 3 x^3\nend\n", ":2: unexpected '^'", id="cubic"),
    ],
)
def test_what_is_not_read_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_dimod(tmp_path: Path) -> None:
    x, y = dimod.Binaries(["x", "y"])
    i = dimod.Integer("i", lower_bound=-7.5, upper_bound=2.5)
    cqm = dimod.ConstrainedQuadraticModel()
    cqm.set_objective(-(3 * x + 2 * y - i + x * y + 1.5))
    cqm.add_constraint(x + y + i <= 1, label="up")
    cqm.add_constraint(x + y + i >= -2.5, label="down")
    assert optimum(read(tmp_path, dimod.lp.dumps(cqm))) == -11.5


def test_docplex(tmp_path: Path) -> None:
    docplex = pytest.importorskip("docplex.mp.model")
    with docplex.Model("m") as model:
        x, y, i = model.binary_var("x"), model.binary_var("y"), model.integer_var(-7.5, 2.5, "i")
        fixed = model.continuous_var(1.5, 1.5, "fixed")
        model.add_range(-2.5, x + y + i, 1, "range")
        model.add_lazy_constraint(x - y <= i + 5)
        model.add_user_cut_constraint(x - y <= 1)
        model.maximize(3 * x + 2 * y - i + x * y + fixed)
        assert optimum(read(tmp_path, model.export_as_lp_string())) == 11.5


def test_qiskit_optimization(tmp_path: Path) -> None:
    qiskit = pytest.importorskip("qiskit_optimization")
    program = qiskit.QuadraticProgram("p")
    program.binary_var("x")
    program.integer_var(-7, 3, "i")
    program.maximize(linear={"x": 1, "i": -1}, quadratic={("x", "i"): 2, ("i", "i"): -1}, constant=3)
    program.linear_constraint({"x": 1, "i": 1}, "<=", 2, "c")
    program.quadratic_constraint({"x": 1}, {("x", "i"): 1}, ">=", -2, "q")
    program.write_to_lp_file(str(tmp_path / "qiskit.lp"))
    assert optimum(read_lp(tmp_path / "qiskit.lp")) == 4.0


def test_scip(tmp_path: Path) -> None:
    scip = pytest.importorskip("pyscipopt")
    model = scip.Model()
    model.hideOutput()
    x, y = model.addVar("x[1]", vtype="B"), model.addVar("y#", vtype="B")
    i, fixed = model.addVar("i", vtype="I", lb=-7.5, ub=2.5), model.addVar("fixed", lb=1.5, ub=1.5)
    model.addCons((x + y + i >= -2.5) <= 1, name="range")
    model.addCons(x * y + 3 * i * i <= 7, name="curved")
    model.setObjective(3 * x + 2 * y - i + fixed + 7, "maximize")
    model.writeProblem(str(tmp_path / "scip.lp"), verbose=False)
    assert optimum(read_lp(tmp_path / "scip.lp")) == 14.5
