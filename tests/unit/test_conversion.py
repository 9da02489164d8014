"""Models of every library become problems with the known optima, and answers in the library's own types."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import dimod
import networkx as nx
import numpy as np
import pyqubo
import pytest
import scipy.sparse

from qubo_dnn.cli.main import main
from qubo_dnn.conversion import to_problem
from qubo_dnn.errors import ArgumentError, FormulationError, OptionError, UnknownFormulationError
from qubo_dnn.files.common.model import ConstrainedModel, Model
from qubo_dnn.files.formats import write_model
from qubo_dnn.problem import Problem
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solving.solve import solve

# Each model is small and has one optimum: 3 of x in {0, 1}, y in {0, 1} and n in {0, ..., 3}.
QUBO = {("x", "x"): -1.0, ("x", "y"): 2.0, "y": -1.5, (): 0.25}
LEAST = (-1.25, {"x": 0, "y": 1})


def bqm() -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel({"x": -1.0, "y": -1.5}, {("x", "y"): 2.0}, 0.25, "BINARY")


def spins() -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel({"s": 0.5}, {("s", "t"): 1.0}, 0.0, "SPIN")


def cqm() -> dimod.ConstrainedQuadraticModel:
    """Minimise x n - 2 n - s with n + x <= 3 and a soft x >= 1 of weight 3: n = 3, x = 0, or n = 2, x = 1."""
    made = dimod.ConstrainedQuadraticModel()
    x, n, s = dimod.Binary("x"), dimod.Integer("n", upper_bound=5), dimod.Spin("s")
    made.set_objective(x * n - 2 * n - s)
    made.add_constraint(n + x <= 3, label="rows")
    made.add_constraint(x >= 1, label="wish", weight=3.0)
    return made


def dqm() -> dimod.DiscreteQuadraticModel:
    made = dimod.DiscreteQuadraticModel()
    made.add_variable(3, "u")
    made.add_variable(2, 7)
    made.set_linear("u", [1.0, 0.0, 3.0])
    made.set_linear(7, [1.0, 1.5])
    made.set_quadratic_case("u", 1, 7, 0, 5.0)
    made.offset = 0.5
    return made


def pyqubo_expression() -> Any:
    x, y, z = (pyqubo.Binary(name) for name in "xyz")
    return -9 * x * y * z + 2 * x + 3 * y + 1


def pyqubo_model() -> Any:
    return (pyqubo.Placeholder("weight") * pyqubo.Binary("x") - 1).compile()


def quadratic_program() -> Any:
    optimization = pytest.importorskip("qiskit_optimization")
    made = optimization.QuadraticProgram("small")
    made.binary_var("x")
    made.integer_var(-1, 3, "n")
    made.binary_var("fixed").lowerbound = 1
    made.continuous_var(0.5, 0.5, "c")
    made.maximize(
        2, {"x": 1, "n": 1, "fixed": 2, "c": 2}, {("n", "n"): -1, ("x", "n"): 1, ("c", "n"): 1, ("c", "c"): 1}
    )
    made.linear_constraint({"x": 1, "n": 1, "c": 1}, "<=", 2.5, "row")
    made.quadratic_constraint({"fixed": 1}, {("x", "n"): 1}, ">=", 1, "row")
    return made


def docplex_model() -> Any:
    models = pytest.importorskip("docplex.mp.model")
    made = models.Model("small")
    x, n, c = made.binary_var("x"), made.integer_var(-1, 3, "n"), made.continuous_var(0.5, 0.5, "c")
    switch, fixed = made.binary_var(), made.binary_var("fixed")
    fixed.lb = 1
    made.maximize(2 + x + n + 2 * fixed + 2 * c - n * n + x * n + c * n + c * c - switch)
    made.add_range(1, x + n + c, 2.5, "row")
    made.add_indicator(switch, n == 2, 1, "if on")
    made.add_indicator(x, n >= 1, 0)
    made.add(x + n >= 1 - switch)
    made.add(x * n + fixed >= 1)
    return made


def ommx_instance() -> Any:
    ommx = pytest.importorskip("ommx.v1", reason="OMMX is not installed")
    x = [ommx.DecisionVariable.binary(i, name="x", subscripts=[i]) for i in range(3)]
    n = ommx.DecisionVariable.integer(3, lower=-2, upper=3.5, name="n")
    c = ommx.DecisionVariable.continuous(4, lower=1.5, upper=1.5)
    idle = ommx.DecisionVariable.integer(9, lower=2, upper=7)
    product = x[0] * x[1] * x[2]
    return ommx.Instance.from_components(
        decision_variables=[*x, n, c, idle],
        objective=-2 * product + n * n + c,
        constraints=[
            (sum(x) >= 2).add_name("two"),
            (n + x[0] <= 2).add_name("row").add_subscripts([1]),
            (n * x[1] + product >= x[1]).set_id(77),
        ],
        sense=ommx.Instance.MINIMIZE,
    )


def matrix() -> list[list[float]]:
    return [[-1.0, 2.0], [0.0, -1.5]]


def edges() -> list[tuple[str, str]]:
    return [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("a", "c")]


def max_cut() -> Any:
    make: Any = get_formulation("max-cut")
    return make(edges())


# Name -> the model, options of `to_problem`, the optimum and its answer (None if there are several).
MODELS: dict[str, tuple[Callable[[], Any], dict[str, Any], float, Any]] = {
    "problem": (lambda: max_cut().compile(), {}, 4.0, None),
    "formulation": (max_cut, {}, 4.0, None),
    "bqm": (bqm, {}, *LEAST),
    "bqm, max": (bqm, {"sense": "max"}, 0.25, {"x": 0, "y": 0}),
    "spins": (spins, {}, -1.5, {"s": -1, "t": 1}),
    "float32 bqm": (lambda: dimod.Float32BQM(bqm()), {}, *LEAST),
    "cqm": (cqm, {}, -4.0, None),
    "cqm, unary": (cqm, {"integers": "unary"}, -4.0, None),
    "cqm, max": (cqm, {"sense": "max"}, 1.0, {"x": 1, "n": 0, "s": -1}),
    "dqm": (dqm, {}, 2.0, {"u": 1, 7: 1}),
    "quadratic model": (
        lambda: dimod.Integer("n", lower_bound=-1, upper_bound=3) * dimod.Spin("s") + dimod.Binary("x"),
        {},
        -3.0,
        {"n": 3, "s": -1, "x": 0},
    ),
    "binary polynomial": (
        lambda: dimod.BinaryPolynomial({"abcd": -5.0, "a": 1.0, "b": -1.0}, "BINARY"),
        {},
        -5.0,
        dict.fromkeys("abcd", 1),
    ),
    "spin polynomial": (
        lambda: dimod.BinaryPolynomial({"abc": 1.0, "a": 0.5, "b": -0.25, "": 2.0}, "SPIN"),
        {"sense": "max"},
        3.75,
        {"a": 1, "b": -1, "c": -1},
    ),
    "pyqubo expression": (pyqubo_expression, {}, -3.0, {"x": 1, "y": 1, "z": 1}),
    "pyqubo model": (pyqubo_model, {"feed_dict": {"weight": 3.0}, "sense": "max"}, 2.0, {"x": 1}),
    "lists": (matrix, {}, -1.5, np.array([0, 1])),
    "tuples": (lambda: tuple(map(tuple, matrix())), {}, -1.5, np.array([0, 1])),
    "array": (lambda: np.array(matrix()), {"sense": "max"}, 0.0, None),
    "np.matrix": (lambda: np.asmatrix(matrix()), {}, -1.5, np.array([0, 1])),
    "sparse matrix": (lambda: scipy.sparse.csr_matrix(matrix()), {}, -1.5, np.array([0, 1])),
    "sparse array": (lambda: scipy.sparse.coo_array(np.array(matrix())), {}, -1.5, np.array([0, 1])),
    "terms": (lambda: QUBO, {}, *LEAST),
    "other mapping": (lambda: MappingProxyType(QUBO), {}, *LEAST),
    "terms of degree 3": (lambda: {("a", "b", "c"): -9.0, "a": 2.0, "b": 3.0}, {}, -4.0, {"a": 1, "b": 1, "c": 1}),
    "graph": (lambda: nx.Graph(edges()), {"formulation": "max-cut"}, 4.0, None),
    "graph and class": (
        lambda: nx.Graph(edges()),
        {"formulation": get_formulation("maximum-clique")},
        3.0,
        None,
    ),
    "numbers": (lambda: [3, 1, 2], {"formulation": "number-partitioning"}, 0.0, None),
    "text": (lambda: "number-partitioning", {}, None, None),  # type: ignore[dict-item]
    "quadratic program": (quadratic_program, {}, 7.75, {"x": 1, "n": 1, "fixed": 1, "c": 0.5}),
    "docplex": (docplex_model, {}, 7.75, {"x": 1, "n": 1, "fixed": 1, "c": 0.5, "x4": 0}),
    "ommx": (ommx_instance, {}, -0.5, {0: 1, 1: 1, 2: 1, 3: 0, 4: 1.5, 9: 2}),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_known_optimum(name: str) -> None:
    make, options, optimum, answer = MODELS[name]
    problem = pickle.loads(pickle.dumps(to_problem(make(), **options)))
    solution = pickle.loads(pickle.dumps(solve(problem, get_backend("exact"), num_solutions=3, presolve=False)))
    assert solution.best.feasible
    if optimum is not None:
        assert solution.best.objective == pytest.approx(optimum)
    if answer is not None:
        np.testing.assert_equal(solution.best.value, answer)
    objectives = [each.objective for each in solution.candidates]
    check_native(solution.native(), objectives, [each.value for each in solution.candidates])


@pytest.mark.parametrize("name", [name for name, (_, options, _, _) in MODELS.items() if options.keys() <= {"sense"}])
def test_every_model_on_the_command_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, options, optimum, _ = MODELS[name]
    given: Any = ModuleType("given")
    given.build = make
    monkeypatch.setitem(sys.modules, "given", given)
    (tmp_path / "model.py").write_text("from given import build\n")
    words = ["solve", f"{tmp_path / 'model.py'}:build", "--backend", "exact", "--json", str(tmp_path / "found.json")]
    assert main([*words, *(["--sense", options["sense"]] if options else [])]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["feasible"]
    if optimum is not None:
        assert found["objective"] == pytest.approx(optimum)


def check_native(native: Any, objectives: list[float], values: list[Any]) -> None:
    """Compare an answer of a library with the decoded ones."""
    kind = f"{type(native).__module__.partition('.')[0]}.{type(native).__name__}"
    if kind == "dimod.SampleSet":
        assert list(native.record.energy) == objectives
        for row, value in zip(native.samples(sorted_by=None), values, strict=True):
            assert dict(row) == value
    elif kind == "qiskit_optimization.OptimizationResult":
        assert [each.fval for each in native.samples] == objectives
        assert native.fval == objectives[0]
        assert native.variables_dict == values[0]
        assert native.status.name == "SUCCESS"
        assert native.get_correlations().shape == (len(values[0]),) * 2
    elif kind == "docplex.SolveSolution":
        assert native.objective_value == objectives[0]
        assert native.is_valid_solution()
        assert all(native.get_value(variable) == value for variable, value in values[0].items() if variable != "x4")
    elif kind == "ommx.SampleSet":
        assert sorted(native.sample_ids) == list(range(len(values)))
        for number, (objective, value) in enumerate(zip(objectives, values, strict=True)):
            found = native.get(number)
            assert found.objective == pytest.approx(objective)
            assert found.feasible
            assert dict(found.state.entries) == value
    elif isinstance(native, np.ndarray):
        np.testing.assert_equal(native, np.array(values))
    else:
        np.testing.assert_equal(native, values)


def test_types_of_native_answers() -> None:
    def native(what: Any, **options: Any) -> Any:
        return solve(to_problem(what, **options), get_backend("exact")).native()

    assert native(bqm()).vartype is dimod.BINARY
    assert native(spins()).vartype is dimod.SPIN
    assert native(dqm()).vartype is dimod.as_vartype("DISCRETE", extended=True)
    constrained = native(cqm())
    assert constrained.record.is_feasible.all()
    assert constrained.info["constraint_labels"] == ["rows", "wish"]
    assert native(matrix()).shape == (1, 2)
    assert native({"a": 1.0}) == [{"a": 0}]


def test_infeasible_answers_are_marked() -> None:
    impossible = dimod.ConstrainedQuadraticModel()
    impossible.add_constraint(dimod.Binary("x") + dimod.Binary("y") >= 3, label="three")
    problem = to_problem(impossible)
    decoded = problem.decode({"x": 1, "y": 1})
    assert decoded.violations == {"three": 1.0}
    assert problem.native is not None
    assert not problem.native([decoded]).first.is_feasible


def test_the_caller_may_change_a_cqm_afterwards() -> None:
    model = cqm()
    problem = to_problem(model)
    model.add_constraint(dimod.Binary("x") == 0, label="later")
    assert problem.native is not None
    assert problem.native([]).info["constraint_labels"] == ["rows", "wish"]


@pytest.mark.parametrize("name", ["coo", "lp", "qubo"])
def test_files_in_python_and_on_the_command_line(name: str, tmp_path: Path) -> None:
    path, json_file = tmp_path / f"model.{name}", tmp_path / "result.json"
    program = cqm()
    program.remove_constraint("wish")
    program.fix_variable("s", 1)
    write_model(ConstrainedModel(program) if name == "lp" else Model(without_offset()), path)
    problem = to_problem(path)
    expected = solve(problem, get_backend("exact")).best.objective
    assert expected == (-7.0 if name == "lp" else -1.5)
    assert main(["solve", str(path), "--backend", "exact", "--json", str(json_file)]) == 0
    assert json.loads(json_file.read_text())["objective"] == expected
    if name != "qubo":
        assert to_problem(str(path), sense="max").sense == "max"


def without_offset() -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel({0: -1.0, 1: -1.5}, {(0, 1): 2.0}, 0.0, "BINARY")


def test_a_file_of_a_formulation(tmp_path: Path) -> None:
    (tmp_path / "g.txt").write_text("3 3\n1 2 1\n2 3 1\n1 3 1\n")
    for formulation in ("max-cut", get_formulation("max-cut")):
        assert to_problem(tmp_path / "g.txt", formulation=formulation).sense == "max"


def test_every_formulation_of_graphs_takes_a_graph() -> None:
    names = ["graph-coloring", "max-cut", "maximum-clique", "maximum-independent-set", "minimum-vertex-cover"]
    with pytest.raises(
        OptionError, match="a graph needs formulation=, one of graph-coloring, graph-partitioning"
    ) as no:
        to_problem(nx.Graph(edges()))
    for name in names:
        assert name in str(no.value)
        assert isinstance(to_problem(nx.Graph(edges()), formulation=name), Problem)


REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], type[Exception], str]] = {
    "nothing": (lambda: None, {}, ArgumentError, "what must be a Problem, .* or a path, not a NoneType"),
    "number": (lambda: 3, {}, ArgumentError, "not an int$"),
    "class": (lambda: get_formulation("max-cut"), {}, ArgumentError, "what must be a Problem"),
    "sampler": (dimod.ExactSolver, {}, ArgumentError, "not an ExactSolver"),
    "array of pyqubo": (lambda: pyqubo.Array.create("a", 2, "BINARY"), {}, ArgumentError, "not an Array"),
    "sense of a problem": (lambda: max_cut().compile(), {"sense": "min"}, OptionError, "a Problem has its own sense"),
    "sense of a formulation": (max_cut, {"sense": "max"}, OptionError, "'max-cut' has its own sense"),
    "sense of a graph": (
        lambda: nx.Graph(edges()),
        {"sense": "max", "formulation": "max-cut"},
        OptionError,
        "a formulation has its own sense; leave out sense='max'",
    ),
    "sense of a program": (quadratic_program, {"sense": "min"}, OptionError, "a QuadraticProgram has its own sense"),
    "sense of docplex": (docplex_model, {"sense": "min"}, OptionError, "a Model has its own sense"),
    "sense of ommx": (ommx_instance, {"sense": "min"}, OptionError, "an Instance has its own sense"),
    "unknown sense": (bqm, {"sense": "maximize"}, ArgumentError, "sense must be 'min' or 'max'"),
    "unknown integers": (cqm, {"integers": "decimal"}, OptionError, "decimal"),
    "unknown formulation": (lambda: nx.Graph(edges()), {"formulation": "maxcut"}, UnknownFormulationError, "max-cut"),
    "feed_dict": (bqm, {"feed_dict": {"M": 1.0}}, OptionError, "a BinaryQuadraticModel has none"),
    "no placeholder": (pyqubo_model, {}, FormulationError, "pyqubo: .*weight"),
    "lacking parameter": (lambda: [1, 2], {"formulation": "knapsack"}, OptionError, "Knapsack also needs weights"),
    "no formulation": (lambda: [1], {"formulation": lambda data: data}, ArgumentError, "must make a formulation"),
    "function for a file": (
        lambda: "g.txt",
        {"formulation": lambda data: data},
        OptionError,
        "must be a name or a formulation's class",
    ),
    "ragged": (lambda: [[1, 2], [3]], {}, FormulationError, "rows of equal length"),
    "not square": (lambda: [[1, 2, 3], [3, 4, 5]], {}, FormulationError, r"square, not of the shape \(2, 3\)"),
    "vector": (lambda: [1.0, 2.0], {}, FormulationError, r"square, not of the shape \(2,\)"),
    "complex": (lambda: np.eye(2) * 1j, {}, FormulationError, "real numbers, not complex128"),
    "texts": (lambda: [["a", "b"], ["c", "d"]], {}, FormulationError, "real numbers, not <U1"),
    "nan": (lambda: [[float("nan")]], {}, FormulationError, "not a finite number"),
    "sparse vector": (lambda: scipy.sparse.coo_array([1.0, 2.0]), {}, FormulationError, "square"),
    "text as coefficient": (lambda: {"a": "b"}, {}, FormulationError, "coefficient of 'a' is not a number: 'b'"),
    "infinite coefficient": (
        lambda: {("a", "b", "c"): float("inf")},
        {},
        FormulationError,
        r"coefficient of \('a', 'b', 'c'\) is inf",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    make, options, error, text = REFUSED[name]
    what = make()
    with pytest.raises(error, match=text) as caught:
        to_problem(what, **options)
    assert "\n" not in str(caught.value)


def test_terms_of_equal_variables_are_added_up() -> None:
    problem = to_problem({("a", "b"): 1.0, ("b", "a"): 2.0, ("a", "a", "b"): 4.0, "a": -1.0, ("a",): -2.0})
    assert problem.decode({"a": 1, "b": 1}).objective == 4.0
    assert to_problem({"x[10]": 1.0, "x[2]": 1.0}).variables == ("x[2]", "x[10]")
    assert list(to_problem({"x[10]": 1.0, "x[2]": 1.0}).decode({"x[2]": 1, "x[10]": 0}).value) == ["x[2]", "x[10]"]


def test_the_names_of_products_are_free() -> None:
    terms = {("a", "b", "products[0]"): -1.0, "a": 0.5}
    best = solve(to_problem(terms), get_backend("exact")).best
    assert best.value == {"a": 1, "b": 1, "products[0]": 1}
    assert best.objective == -0.5


@pytest.mark.parametrize("size", [1, 3, 4])
def test_matrices_have_the_energies_of_their_form(size: int) -> None:
    q = np.random.default_rng(size).normal(size=(size, size))
    for given in (q, q.tolist(), scipy.sparse.csc_array(q)):
        problem = to_problem(given, sense="max")
        for state in itertools.product((0, 1), repeat=size):
            x = np.array(state)
            assert problem.decode(dict(enumerate(state))).objective == pytest.approx(x @ q @ x)


def test_a_matrix_needs_no_other_library() -> None:
    program = (
        "import sys; from qubo_dnn.conversion import to_problem; to_problem([[1.0, 2.0], [0.0, -1.0]]); "
        "heavy = {'torch', 'numba', 'pyqubo', 'cpp_pyqubo', 'qiskit', 'qiskit_optimization', 'docplex', 'ommx', "
        "'sklearn', 'pandas', 'neal', 'dwave.system'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def assignments(problem: Problem[Any]) -> list[Mapping[Any, int]]:
    return [
        dict(zip(problem.variables, bits, strict=True))
        for bits in itertools.product((0, 1), repeat=len(problem.variables))
    ]


def test_every_state_of_a_dqm() -> None:
    model = dqm()
    problem = to_problem(model)
    seen = set()
    for sample in assignments(problem):
        decoded = problem.decode(sample)
        if decoded.feasible:
            seen.add(tuple(decoded.value.values()))
            assert decoded.objective == pytest.approx(model.energy(decoded.value))
    assert len(seen) == 6


@pytest.mark.parametrize("name", ["binary polynomial", "spin polynomial"])
def test_every_state_of_a_polynomial(name: str) -> None:
    make, options, _, _ = MODELS[name]
    polynomial = make()
    problem = to_problem(polynomial, **options)
    feasible = [problem.decode(sample) for sample in assignments(problem) if not problem.violations(sample)]
    assert len(feasible) == 2 ** len(polynomial.variables)
    for each in feasible:
        assert each.objective == pytest.approx(polynomial.energy(each.value))
