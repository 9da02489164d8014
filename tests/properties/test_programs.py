"""Small programs as HiGHS, SCIP and dimod write them have the same optimum here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import dimod
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qubo_dnn.files.common.model import ConstrainedModel
from qubo_dnn.files.formats import read_model
from qubo_dnn.files.lp import read_lp
from tests.unit.files.programs import optimum

pytestmark = pytest.mark.slow

NAMES = ("a", "b(1)", "i_2", "j.3")


@st.composite
def programs(draw: st.DrawFn) -> ConstrainedModel:
    """Two binary and two integer variables with fractional bounds, a quadratic objective and up to three rows."""
    whole, half = st.integers(-3, 3), st.integers(-6, 6).map(lambda k: k / 2.0)
    cqm = dimod.ConstrainedQuadraticModel()
    for name in NAMES[:2]:
        cqm.add_variable("BINARY", name)
    for name in NAMES[2:]:
        low = draw(st.integers(-3, 2))
        cqm.add_variable("INTEGER", name, lower_bound=low, upper_bound=low + draw(st.integers(0, 3)))
    bounds = {v: {"lower_bound": cqm.lower_bound(v), "upper_bound": cqm.upper_bound(v)} for v in NAMES}

    def expression(quadratic: bool) -> dimod.QuadraticModel:
        model = dimod.QuadraticModel()
        for name in NAMES:
            model.add_variable(cqm.vartype(name), name, **bounds[name])
            model.add_linear(name, draw(whole))
        if quadratic:
            for one, other in ((NAMES[0], NAMES[1]), (NAMES[1], NAMES[2]), (NAMES[3], NAMES[3])):
                model.add_quadratic(one, other, draw(whole))
        return model

    cqm.set_objective(expression(draw(st.booleans())))
    for index in range(draw(st.integers(0, 3))):
        relation = draw(st.sampled_from(("<=", ">=", "==")))
        cqm.add_constraint(expression(False), relation, rhs=draw(half), label=f"r{index}")
    return ConstrainedModel(cqm, draw(st.sampled_from(("min", "max"))))


def write_by_highs(program: ConstrainedModel, path: Path) -> None:
    highspy = pytest.importorskip("highspy")
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    cqm, place = program.cqm, {name: index for index, name in enumerate(NAMES)}
    for name in NAMES:
        solver.addVar(cqm.lower_bound(name), cqm.upper_bound(name))
        solver.changeColIntegrality(place[name], highspy.HighsVarType.kInteger)
        solver.changeColCost(place[name], float(cqm.objective.get_linear(name)))
    for each in cqm.constraints.values():
        terms = {place[v]: float(bias) for v, bias in each.lhs.linear.items() if bias}
        low = -highspy.kHighsInf if each.sense.value == "<=" else float(each.rhs)
        high = highspy.kHighsInf if each.sense.value == ">=" else float(each.rhs)
        solver.addRow(low, high, len(terms), list(terms), list(terms.values()))
    products = {}
    for (u, v), bias in cqm.objective.quadratic.items():
        if bias:
            ends = place[u], place[v]
            products[min(ends), max(ends)] = float(bias) * (2.0 if u == v else 1.0)
    if products:
        hessian = highspy.HighsHessian()
        hessian.dim_, hessian.format_ = len(NAMES), highspy.HessianFormat.kTriangular
        order = sorted(products)
        hessian.start_ = [sum(pair[0] < column for pair in order) for column in range(len(NAMES) + 1)]
        hessian.index_, hessian.value_ = [pair[1] for pair in order], [products[pair] for pair in order]
        solver.passHessian(hessian)
    if program.sense == "max":
        solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
    solver.writeModel(str(path))


def write_by_scip(program: ConstrainedModel, path: Path) -> None:
    scip = pytest.importorskip("pyscipopt")
    model = scip.Model()
    model.hideOutput()
    cqm = program.cqm
    kinds = {name: "B" if cqm.vartype(name) is dimod.BINARY else "I" for name in NAMES}
    # Fractional bounds, which are rounded inwards.
    x = {v: model.addVar(v, kinds[v], lb=cqm.lower_bound(v), ub=cqm.upper_bound(v)) for v in NAMES}
    for label, each in cqm.constraints.items():
        left = scip.quicksum(float(bias) * x[v] for v, bias in each.lhs.linear.items())
        rhs, sense = float(each.rhs), each.sense.value
        model.addCons(left <= rhs if sense == "<=" else left >= rhs if sense == ">=" else left == rhs, name=label)
    linear = scip.quicksum(float(bias) * x[v] for v, bias in cqm.objective.linear.items())
    model.setObjective(linear, "maximize" if program.sense == "max" else "minimize")
    model.writeProblem(str(path), verbose=False)


def write_by_dimod(program: ConstrainedModel, path: Path) -> None:
    path.write_text(dimod.lp.dumps(program.cqm))


def linear(program: ConstrainedModel) -> ConstrainedModel:
    """The program without the quadratic part of its objective."""
    objective = dimod.QuadraticModel()
    for name in NAMES:
        cqm = program.cqm
        ends = {"lower_bound": cqm.lower_bound(name), "upper_bound": cqm.upper_bound(name)}
        objective.add_variable(cqm.vartype(name), name, **ends)
        objective.add_linear(name, cqm.objective.get_linear(name))
    program.cqm.set_objective(objective)
    return program


@pytest.mark.parametrize(
    ("write", "suffix", "examples"),
    [
        pytest.param(write_by_highs, "lp", 40, id="highs-lp"),
        pytest.param(write_by_highs, "mps", 5, id="highs-mps"),
        pytest.param(write_by_scip, "lp", 40, id="scip-lp"),
        pytest.param(write_by_scip, "mps", 5, id="scip-mps"),
        pytest.param(write_by_dimod, "lp", 40, id="dimod-lp"),
    ],
)
def test_what_others_write_has_the_same_optimum(write: Any, suffix: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(program=programs())
    def check(program: ConstrainedModel) -> None:
        # SCIP's objectives are linear; HiGHS keeps no quadratic form without any term.
        program = linear(program) if write is write_by_scip else program
        # dimod writes minimised objectives only.
        sense = "min" if write is write_by_dimod else program.sense
        expected = optimum(ConstrainedModel(program.cqm, sense))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model.{suffix}"
            write(program, path)
            found = read_lp(path) if suffix == "lp" else read_model(path)
            assert isinstance(found, ConstrainedModel)
            actual = optimum(found)
        assert actual == pytest.approx(expected) if expected is not None else actual is None

    check()
