"""What the readers make of small files, and what they refuse."""

from __future__ import annotations

import math
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qubo_dnn.errors import FileFormatError, OptionError, UnsupportedProblemError
from qubo_dnn.files.common.model import ConstrainedModel, Model, same_program
from qubo_dnn.files.formats import FORMATS, read_model, write_model
from tests.unit.files.programs import optimum

BURMA = """NAME: burma14
TYPE: TSP
DIMENSION: 4
EDGE_WEIGHT_TYPE: GEO
NODE_COORD_SECTION
1 16.47 96.10
2 16.47 94.44
3 20.09 92.54
4 22.39 93.37
EOF
"""
QPLIB = """!c
QPLIB_0000
QBL # type
maximize
3 # variables
1 # constraints
2 # entries of Q
1 1 4
2 1 3
1 # default of b
1
2 5
2 # constant
2
1 1 1
1 2 1
1e9
0
0
1
0
0
0
0
0
0
0
0
0
"""
LP = r"""\ a comment
Maximize
 profit: x + 2 y - 3.5 i + [ 2 x * y + 4 i ^ 2 ] / 2 + 3
Subject To
 c1: x + y
     + i <= 2
 x - i >= -1
Bounds
 -2 <= i <= 5
Binary
 x y
General
 i
End
"""


def written(folder: Path, text: str, name: str = "problem.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def save(path: Path, arrays: dict[str, Any]) -> None:
    """Write an archive of arrays."""
    named: dict[str, Any] = {name: np.array(value) for name, value in arrays.items()}
    np.savez(path, **named)


def read(folder: Path, name: str, text: str) -> Any:
    return FORMATS[name].read(written(folder, text))


def test_a_gset_file_is_a_weighted_graph(tmp_path: Path) -> None:
    graph = read(tmp_path, "gset", "4 3\n1 2 5\n2 3\n4 1 -1.5\n")
    assert list(graph) == [1, 2, 3, 4]
    assert dict(graph.edges) == {(1, 2): {"weight": 5.0}, (2, 3): {"weight": 1.0}, (1, 4): {"weight": -1.5}}


@pytest.mark.parametrize("announced", [3, 6])
def test_a_rudy_file_may_list_every_edge_in_both_directions(tmp_path: Path, announced: int) -> None:
    text = f"# rudy -spinglass\nc by hand\n% {announced}\n4 {announced}\n1 2 5\n2 1 5\n2 3 -1\n4 3 2\n3 2 -1\n3 4 2.0\n"
    graph = read(tmp_path, "gset", text)
    assert {edge: graph.edges[edge]["weight"] for edge in graph.edges} == {(1, 2): 5.0, (2, 3): -1.0, (3, 4): 2.0}


def test_a_biq_mac_matrix_is_minimised_and_counts_its_pairs_twice(tmp_path: Path) -> None:
    once = read(tmp_path, "biqmac", "# by hand\n3 3\n1 1 -5\n2 1 2\n2 3 -4\n")
    both = read(tmp_path, "biqmac", "3 5\n1 1 -5\n1 2 2\n2 1 2\n2 3 -4\n3 2 -4\n")
    for model in (once, both):
        assert (model.sense, dict(model.bqm.linear)) == ("min", {1: -5.0, 2: 0.0, 3: 0.0})
        assert (model.bqm.get_quadratic(1, 2), model.bqm.get_quadratic(2, 3)) == (4.0, -8.0)


def test_a_dimacs_graph_has_edges_in_both_directions_once_and_weights_of_nodes(tmp_path: Path) -> None:
    head = "c x\np edges 3 4\nd 2 0 1\nv 0.5 1\nx SEED 3\n"
    graph = read(tmp_path, "dimacs-graph", f"{head}n 1 2\ne 1 2\ne 2 1\ne 2 3\ne 3 2\n")
    assert sorted(graph.edges) == [(1, 2), (2, 3)]
    assert nx.get_node_attributes(graph, "weight") == {1: 2.0, 2: 1.0, 3: 1.0}


def test_clauses_may_be_hard_and_go_over_line_ends(tmp_path: Path) -> None:
    cnf = read(tmp_path, "dimacs-cnf", "c x\np wcnf 3 3 10\n10 1 -2 0\n3 2\n3 0 4 -1 0\n%\n0\n")
    assert (cnf.variables, cnf.clauses, cnf.weights) == (3, ((1, -2), (2, 3), (-1,)), (math.inf, 3.0, 4.0))


def test_clauses_of_2022_have_no_header_and_h_for_hard_ones(tmp_path: Path) -> None:
    cnf = read(tmp_path, "dimacs-cnf", 'c {"n": 4}\nh 1 -2 0\n3 2 4 0\nc\nh -4 0\n7 -1 0\n')
    assert (cnf.variables, cnf.clauses) == (4, ((1, -2), (2, 4), (-4,), (-1,)))
    assert cnf.weights == (math.inf, 3.0, math.inf, 7.0)
    soft = FORMATS["dimacs-cnf"].read(written(tmp_path, "2 1 0\n1 -1 0\n", "soft.wcnf"))
    assert (soft.clauses, soft.weights) == (((1,), (-1,)), (2.0, 1.0))


@pytest.mark.parametrize("header", ["2", "2 14", "2 14 14", "2,14"])
def test_qaplib_may_have_its_optimum_in_the_first_line(tmp_path: Path, header: str) -> None:
    problem = read(tmp_path, "qaplib", f"{header}\n0 1\n2,0\n\n0, 3\n4 0\n")
    assert problem.flow.tolist() == [[0, 1], [2, 0]]
    assert problem.distance.tolist() == [[0, 3], [4, 0]]


def test_a_quadratic_knapsack_has_a_triangle_of_profits(tmp_path: Path) -> None:
    text = "any name\n3\n1 2 3\n10 20\n30\n\n{}\n9\n4 5 6\n\nComments\n\nDensity : 100.00 %\n"
    problem = read(tmp_path, "quadratic-knapsack", text.format(0))
    assert problem.profits.tolist() == [[1, 10, 20], [10, 2, 30], [20, 30, 3]]
    assert (problem.weights, problem.capacity, problem.exact) == ((4, 5, 6), 9, False)
    assert read(tmp_path, "quadratic-knapsack", text.format(1)).exact is True


def test_qaplib_has_two_matrices(tmp_path: Path) -> None:
    problem = read(tmp_path, "qaplib", "2\n\n0 1 2\n0\n0 3\n4 0\n")
    assert problem.flow.tolist() == [[0, 1], [2, 0]]
    assert problem.distance.tolist() == [[0, 3], [4, 0]]


def test_distances_of_the_tsplib_follow_its_own_rules(tmp_path: Path) -> None:
    # The first row of burma14's distances as published.
    assert read(tmp_path, "tsplib", BURMA).distances[0].tolist() == [0, 153, 510, 706]
    euclidean = "TYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 1 1\n3 0 3\nEOF\n"
    assert read(tmp_path, "tsplib", euclidean).distances[0].tolist() == [0, 1, 3]
    assert read(tmp_path, "tsplib", euclidean.replace("EUC_2D", "CEIL_2D")).distances[0].tolist() == [0, 2, 3]
    assert read(tmp_path, "tsplib", euclidean.replace("EUC_2D", "ATT")).distances[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("layout", "numbers"),
    [
        ("FULL_MATRIX", "0 1 2 1 0 3 2 3 0"),
        ("UPPER_ROW", "1 2 3"),
        ("LOWER_ROW", "1 2 3"),
        ("UPPER_DIAG_ROW", "0 1 2 0 3 0"),
        ("LOWER_DIAG_ROW", "0 1 0 2 3 0"),
    ],
)
def test_explicit_distances_in_all_layouts(tmp_path: Path, layout: str, numbers: str) -> None:
    head = f"TYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: EXPLICIT\nEDGE_WEIGHT_FORMAT: {layout}\n"
    problem = read(tmp_path, "tsplib", f"{head}EDGE_WEIGHT_SECTION\n{numbers}\nEOF\n")
    assert problem.distances.tolist() == [[0, 1, 2], [1, 0, 3], [2, 3, 0]]


def test_qplib_halves_its_quadratic_form(tmp_path: Path) -> None:
    """Its objective is x'Qx / 2 of the symmetric Q of which one triangle is there: 2 x1 + 3 x1 x2 + ..."""
    program = read(tmp_path, "qplib", QPLIB)
    assert program.sense == "max"
    objective = program.cqm.objective
    assert (objective.get_linear("x1"), objective.get_linear("x2"), objective.get_linear("x3")) == (3.0, 5.0, 1.0)
    assert objective.get_quadratic("x1", "x2") == 3.0
    assert objective.offset == 2.0
    upper = program.cqm.constraints["c1_upper"]
    assert (dict(upper.lhs.linear), upper.sense.value, upper.rhs) == ({"x1": 1.0, "x2": 1.0}, "<=", 1.0)


def test_qplib_has_integers_bounds_and_quadratic_constraints(tmp_path: Path) -> None:
    """Maximise x1 + i2 with i2 within -7.5 and -2.5, x1 i2 + 1/2 i2^2 <= 8 and a constraint without terms."""
    text = (
        "Q\nLGQ\nmaximize\n3\n2\n1\n1\n3 0\n0\n2\n1 2 1 1\n1 2 2 1\n0\n1e9\n-1e9\n0\n8\n1\n2 {rhs}\n"
        "0\n2\n2 -7.5\n3 2\n1\n2\n2 -2.5\n3 2\n1\n1\n3 0\n0\n0\n0\n0\n0\n0\n0\n0\n"
    )
    program = read(tmp_path, "qplib", text.format(rhs=3))
    assert (list(program.cqm.variables), list(program.cqm.constraints)) == (["x1", "x2"], ["c1"])
    assert (program.cqm.lower_bound("x2"), program.cqm.upper_bound("x2")) == (-7, -3)
    assert optimum(program) == -2.0
    assert optimum(read(tmp_path, "qplib", text.format(rhs=-3))) is None


def test_off_diagonal_entries_of_the_or_library_count_twice(tmp_path: Path) -> None:
    path = written(tmp_path, "2\n2 2\n1 1 5\n1 2 -3\n3 1\n3 3 7\n", "problems.bqp")
    model = read_model(path.with_name("problems.bqp#1"))
    assert isinstance(model, Model)
    assert (model.sense, dict(model.bqm.linear), dict(model.bqm.quadratic)) == ("max", {1: 5, 2: 0}, {(2, 1): -6})
    second = read_model(path.with_name("problems.bqp#2"))
    assert isinstance(second, Model)
    assert dict(second.bqm.linear) == {1: 0, 2: 0, 3: 7}
    with pytest.raises(FileFormatError, match=r"has 2 problems; say which, as in problems\.bqp#1"):
        read_model(path)
    with pytest.raises(FileFormatError, match="problems 1 to 2, not 3"):
        read_model(path.with_name("problems.bqp#3"))


def test_qubo_comments_may_carry_sense_offset_and_names(tmp_path: Path) -> None:
    text = 'c any\nc sense=max\nc offset=2.5\nc name 4 "four"\np qubo 0 9 2 1\n4 4 1\n7 7 -2\n7 4 0.5\n'
    model = read(tmp_path, "qubo", text)
    assert model.sense == "max"
    assert (dict(model.bqm.linear), model.bqm.offset) == ({"four": 1.0, 7: -2.0}, 2.5)
    assert model.bqm.get_quadratic("four", 7) == 0.5


@pytest.mark.parametrize(
    ("name", "head", "mark"), [("qubo", "p qubo 0 6 2 2", "c"), ("coo", "# vartype : BINARY", "#")]
)
def test_scale_and_offset_of_bqpjson_are_honoured(tmp_path: Path, name: str, head: str, mark: str) -> None:
    """The value of a state is scale * (energy + offset)."""
    text = f"{mark} id : 0\n{mark} scale : 2.7\n{mark} offset : 1.93\n{head}\n3 3 0.4\n5 5 -4.4\n1 3 -0.8\n1 5 6.0\n"
    model = read(tmp_path, name, text)
    assert model.bqm.energy({1: 1, 3: 1, 5: 0}) == pytest.approx(2.7 * (0.4 - 0.8 + 1.93))
    assert model.bqm.energy({1: 1, 3: 1, 5: 1}) == pytest.approx(2.7 * (0.4 - 4.4 - 0.8 + 6.0 + 1.93))


def test_coo_as_dimod_writes_it_has_no_lines_for_variables_without_bias(tmp_path: Path) -> None:
    model = read(tmp_path, "coo", "# vartype=SPIN\n0 0 1.0\n3 1 -2.0\n")
    assert (model.bqm.vartype.name, list(model.bqm.variables)) == ("SPIN", [0, 1, 3])


def test_an_lp_file_has_squares_bounds_and_lines_that_go_on(tmp_path: Path) -> None:
    program = read(tmp_path, "lp", LP)
    cqm = program.cqm
    assert program.sense == "max"
    assert list(cqm.variables) == ["x", "y", "i"]
    assert (cqm.lower_bound("i"), cqm.upper_bound("i")) == (-2, 5)
    objective = cqm.objective
    assert dict(objective.linear) == {"x": 1.0, "y": 2.0, "i": -3.5}
    assert (objective.get_quadratic("x", "y"), objective.get_quadratic("i", "i"), objective.offset) == (1.0, 2.0, 3.0)
    assert set(cqm.constraints) == {"c1", "c2"}
    assert dict(cqm.constraints["c1"].lhs.linear) == {"x": 1.0, "y": 1.0, "i": 1.0}
    assert (cqm.constraints["c2"].sense.value, cqm.constraints["c2"].rhs) == (">=", -1.0)


def test_an_mps_file_has_integers_between_markers(tmp_path: Path) -> None:
    pytest.importorskip("highspy", reason="needs the extra mps")
    text = (
        "NAME t\nROWS\n N cost\n L c1\n E c2\n G c3\nCOLUMNS\n M 'MARKER' 'INTORG'\n x cost 1 c1 1\n x c3 1\n"
        " y cost -2 c1 1\n y c2 1\n M 'MARKER' 'INTEND'\nRHS\n R c1 3 c2 1\n R c3 -1\n"
        "RANGES\n R c3 2\nBOUNDS\n BV B x\n UP B y 4\nENDATA\n"
    )
    program = read(tmp_path, "mps", text)
    cqm = program.cqm
    assert program.sense == "min"
    assert [cqm.vartype(v).name for v in ("x", "y")] == ["BINARY", "INTEGER"]
    assert dict(cqm.objective.linear) == {"x": 1.0, "y": -2.0}
    bounds = {label: (each.sense.value, each.rhs) for label, each in cqm.constraints.items()}
    assert bounds == {"c1": ("<=", 3.0), "c2": ("==", 1.0), "c3_lower": (">=", -1.0), "c3_upper": ("<=", 1.0)}
    with pytest.raises(FileFormatError, match="'y' is continuous"):
        read(tmp_path, "mps", re.sub(" M 'MARKER' .*\n", "", text).replace("E c2", "L c2"))
    with pytest.raises(FileFormatError, match="cannot be read by HiGHS"):
        read(tmp_path, "mps", "Dear all\n")


def test_a_matrix_counts_every_entry_once(tmp_path: Path) -> None:
    path = tmp_path / "q.npz"
    np.savez(path, np.array([[1.0, 2.0], [3.0, -4.0]]))
    model = read_model(path)
    assert isinstance(model, Model)
    assert (dict(model.bqm.linear), model.bqm.get_quadratic(0, 1)) == ({0: 1.0, 1: -4.0}, 5.0)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_sparse_matrices_of_scipy_are_read(tmp_path: Path, layout: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.random_array((6, 6), density=0.4, rng=np.random.default_rng(1))
    sparse.save_npz(tmp_path / "q.npz", matrix.asformat(layout))
    model = read_model(tmp_path / "q.npz")
    assert isinstance(model, Model)
    dense = matrix.toarray()
    for bits in np.random.default_rng(0).integers(0, 2, (8, 6)):
        assert model.bqm.energy(dict(enumerate(bits))) == pytest.approx(bits @ dense @ bits)


def test_pickles_in_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "q.npz", Q=np.array([[object()]]))
    with pytest.raises(FileFormatError, match="not numbers or texts"):
        read_model(tmp_path / "q.npz")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("gset", "3 1\n1 4 1\n", ":2: node: 4 is not within 1 to 3"),
        ("gset", "3 2\n1 2 1\n", "announces 2 edges but has 1"),
        ("gset", "9999999999 1\n1 2 1\n", ":1: number of nodes"),
        ("gset", "3 2\n1 2 1\n2 1 2\n", ":3: the edge of 2 and 1 occurs twice, with 1 and 2"),
        ("gset", "3 2\n1 2 1\n2 1 1\n2 3 1\n3 2 1\n1 2 1\n", ":6: the edge of 1 and 2 occurs twice"),
        ("gset", "3 2\n2 3 1\n2 1 1\n1 2 1\n", ":4: the edge of 1 and 2 occurs twice"),
        ("biqmac", "2 1\n1 2 1\n2 2 1\n", "announces 1 entries but has 2"),
        ("biqmac", "2 3\n1 1 1\n2 2 1\n1 1 1\n", ":4: the entry of 1 and 1 occurs twice"),
        ("biqmac", "2 2\n1 1 1\n2 2\n", ":3: expected an entry 'i j q', found 2 fields"),
        ("tsplib", BURMA.replace("2 16.47 94.44", "2 16.47"), ":7: expected 'city x y', found 2 fields"),
        ("tsplib", BURMA.replace("3 20.09", "4 20.09"), ":8: city (in their order): 4 is not within 3 to 3"),
        ("tsplib", BURMA.replace("22.39", "1e300"), ":9: the coordinate 1e+300 is beyond"),
        ("tsplib", BURMA.replace("TYPE: TSP", "TYPE: TSP\nTYPE: TSP"), ":3: TYPE is out of place here"),
        ("coo", "# vartype=BINARY\n0 0 1\n0 1\n", ":3: expected"),
        ("knapsack", "1\n3 2\n", ":1: expected the number of items and the capacity"),
        ("dimacs-cnf", "1 2 0\n", "has no line 'p cnf N M' or 'p wcnf N M TOP', and no hard clause"),
        ("dimacs-cnf", "h 1 0\n1.5 2 0\n", ":2: weight: '1.5' is not an integer"),
        ("dimacs-cnf", "h 1 0\n9007199254740992 2 0\n1 1 0\n", "add up to more than 2^53"),
        ("dimacs-cnf", "p wcnf 2 1 9\nh 1 0\n", ":2: weight: 'h' is not an integer"),
        ("qaplib", "3 22\n2 1 3\n", "is a solution of a QAPLIB problem, not the problem"),
        ("qaplib", "2 5\n0 1 1 0\n0 1\n", "8 entries, found 7"),
        ("quadratic-knapsack", "n\n2\n1 2\n3 4\n0\n9\n1 1\n", ":4: expected 3 profits"),
        ("quadratic-knapsack", "n\n2\n1 2\n3\n2\n9\n1 1\n", ":5: kind of constraint, 0 or 1: 2 is not within"),
        ("quadratic-knapsack", "n\n2\n1 2\n3\n0\n9\n1 1\n7\n", ":8: more numbers after the weights"),
        ("qubo", "c scale : 0\np qubo 0 2 0 0\n", ":1: scale is 0, not greater than 0"),
        ("qubo", "c offset : two\np qubo 0 2 0 0\n", ":1: offset: 'two' is not a finite number"),
        ("qubo", "c offset : 1\nc offset=2\np qubo 0 2 0 0\n", ":2: offset is given twice"),
        ("qubo", "c scale : 1e308\np qubo 0 2 1 0\n0 0 1e9\n", "takes a bias beyond the range of a float"),
        ("dimacs-graph", "e 1 2\n", ":1: the line 'p edge N M' has to come first"),
        ("dimacs-cnf", "p cnf 2 1\n1 2\n", "ends within a clause"),
        ("qaplib", "2\n1 2 3\n", "8 entries, found 3"),
        ("tsplib", BURMA.replace("GEO", "EUC_3D"), ":4: EDGE_WEIGHT_TYPE 'EUC_3D' is not supported"),
        ("qplib", QPLIB.replace("QBL", "QXL"), ":3: 'QXL' is not a type of the QPLIB"),
        ("bqp", "1\n2 1\n1 3 1\n", ":3: index: 3 is not within 1 to 2"),
        ("qubo", "p qubo 0 2 1 0\n0 0 nan\n", ":2: bias: 'nan' is not a finite number"),
        ("qubo", "p qubo 0 2 2 0\n0 0 1\n0 0 1\n", ":3: the linear bias of 0 occurs twice"),
        ("coo", "0 0 1\n", "has no line '# vartype=BINARY'"),
        ("coo", "# vartype=BINARY\n# name 3 1\n0 0 1\n", "names the variable 3, which has no bias"),
        ("lp", LP.replace("General\n i", ""), "'i' is continuous"),
        ("lp", LP.replace("<= 2", "<= ;2 3"), ":6: expected + or - before '3'"),
        ("lp", LP.replace("<= 2", ""), ":7: expected + or - before 'x'"),
        ("lp", LP.replace("/ 2", ""), ":3: the quadratic part of the objective ends with"),
        ("lp", LP.replace("End", ""), "ends without 'end'"),
        ("lp", LP.replace("General", "Semi-continuous"), "is not supported"),
        ("job-shop", "1 2\n0 1 0 2\n", ":2: a job visits machines from 0 to 1, each at most once"),
        ("knapsack", "1 5\n3 2.5\n", ":2: weight: '2.5' is not an integer"),
        ("set-cover", "1 2\n1 1\n3 1 2 2\n", ":3: number of columns of a row: 3 is not within 0 to 2"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, name, text)
    assert words in str(caught.value)


@pytest.mark.parametrize("suffix", ["coo", "qubo", "npz"])
def test_a_program_without_constraints_and_integers_is_written_as_a_model(tmp_path: Path, suffix: str) -> None:
    program = read(tmp_path, "lp", "max\n obj: 3 x + 2 y + [ 4 x * y ] / 2 + 7\nst\nbinary\n x y\n w\nend\n")
    write_model(program, tmp_path / f"model.{suffix}")
    model = read_model(tmp_path / f"model.{suffix}")
    assert isinstance(model, Model)
    assert (model.sense, list(model.bqm.variables)) == ("max", ["x", "y", "w"])
    assert model.bqm.energy({"x": 1, "y": 1, "w": 0}) == 14.0


def test_constraints_without_terms_and_open_ranges_are_written(tmp_path: Path) -> None:
    text = "min\n obj: x\nst\n never: 0 x = 1\nbounds\n -inf <= i <= 4.5\nbinary\n x\ngeneral\n i\nend\n"
    program = read(tmp_path, "lp", text)
    write_model(program, tmp_path / "back.lp")
    assert "-inf <= i <= 4.0" in (tmp_path / "back.lp").read_text()
    back = read_model(tmp_path / "back.lp")
    assert isinstance(back, ConstrainedModel)
    assert list(back.cqm.constraints) == ["never"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = written(tmp_path, LP, "model.lp")
    program = read_model(path)
    assert isinstance(program, ConstrainedModel)
    kept = written(tmp_path, "old", "kept.coo")
    with pytest.raises(UnsupportedProblemError, match="coo files hold no constraints"):
        write_model(program, kept)
    assert kept.read_text() == "old"
    with pytest.raises(OptionError, match="formats that can be written: bqm, coo, qubo, npz, lp"):
        write_model(program, tmp_path / "model.tsp")
    write_model(program, path)
    again = path.read_text()
    write_model(read_model(path), path)
    assert path.read_text() == again


def test_the_name_and_comments_of_a_tsplib_file_are_read(tmp_path: Path) -> None:
    comments = BURMA.replace("TYPE: TSP", "COMMENT: one\nTYPE: TSP\nCOMMENT: two")
    assert read(tmp_path, "tsplib", comments).name == "burma14"


def test_pseudo_euclidean_distances_divide_by_ten(tmp_path: Path) -> None:
    text = "TYPE: TSP\nDIMENSION: 2\nEDGE_WEIGHT_TYPE: ATT\nNODE_COORD_SECTION\n1 0 0\n2 120 40\nEOF\n"
    assert read(tmp_path, "tsplib", text).distances[0].tolist() == [0, 40]


def test_fixed_variables_take_their_products_with_them(tmp_path: Path) -> None:
    """Minimising -9 x + [4 x y + 2 y^2] / 2 with y = 3 is -9 x + 6 x + 9."""
    text = "min\n obj: -9 x + [ 4 x * y + 2 y ^ 2 ] / 2\nst\nbounds\n y = 3\nbinary\n x\nend\n"
    program = read(tmp_path, "lp", text)
    assert list(program.cqm.variables) == ["x"]
    assert [program.cqm.objective.energy({"x": x}) for x in (0, 1)] == [9.0, 6.0]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"rows": [0], "columns": [0]}, "do not make interactions"),
        ({"rows": [0, 1], "columns": [1, 0], "biases": [1.0, 1.0]}, "has an interaction twice"),
        ({"biases": [1.0, 2.0]}, "do not make interactions"),
        ({"rows": [0, 0]}, "do not make interactions"),
        ({"rows": [2]}, "'rows' is not a list of integers from 0 to 1"),
        ({"vartype": "TERNARY"}, "vartype is 'TERNARY'"),
        ({"labels": ["0"]}, "has 1 different labels for 2 variables"),
        ({"labels": ["0", "0"]}, "has 1 different labels for 2 variables"),
        ({"offset": math.inf}, "'offset' is not a finite number"),
        ({"linear": [0.0, math.nan]}, "'linear' has an entry that is not a finite number"),
    ],
)
def test_archives_of_models_are_checked(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    good = {"linear": [0.0, 1.0], "rows": [0], "columns": [1], "biases": [2.0], "offset": 0.5}
    good |= {"labels": ['"a"', "7"], "vartype": "SPIN", "sense": "max"}
    save(tmp_path / "good.npz", good)
    model = read_model(tmp_path / "good.npz")
    assert isinstance(model, Model)
    assert (model.sense, model.bqm.energy({"a": 1, 7: -1})) == ("max", -2.5)
    save(tmp_path / "bad.npz", (good | arrays))
    with pytest.raises(FileFormatError, match=re.escape(words)):
        read_model(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"indptr": [0, 1, 1]}, "'indptr' does not fit"),
        ({"indptr": [1, 1, 2]}, "'indptr' does not fit"),
        ({"indptr": [0, 2, 1]}, "'indptr' does not fit"),
        ({"indptr": [0, 2]}, "'indptr' does not fit"),
        ({"indices": [0, 2]}, "'indices' is not a list of integers from 0 to 1"),
        ({"indices": [0]}, "differ in length"),
        ({"shape": [2, 3]}, "not square or too large"),
        ({"shape": [2**40, 2**40]}, "'shape' is not a list"),
        ({"format": b"dia"}, "a sparse matrix of the format 'dia'"),
    ],
)
def test_archives_of_sparse_matrices_are_checked(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {
        "format": b"csr",
        "shape": [2, 2],
        "data": [1.0, 2.0],
        "indices": [0, 1],
        "indptr": [0, 1, 2],
    }
    save(tmp_path / "bad.npz", (good | arrays))
    with pytest.raises(FileFormatError, match=re.escape(words)):
        read_model(tmp_path / "bad.npz")


def test_sums_beyond_the_range_of_a_float_are_refused(tmp_path: Path) -> None:
    for row, column in ((0, 0), (0, 1)):
        entries = {"row": [row, row], "col": [column, column], "data": [1e308, 1e308]}
        parts: dict[str, Any] = {"format": b"coo", "shape": [2, 2], **entries}
        save(tmp_path / "q.npz", parts)
        with pytest.raises(FileFormatError, match="beyond the range of a float"):
            read_model(tmp_path / "q.npz")


def test_one_array_of_several_must_be_named_q(tmp_path: Path) -> None:
    np.savez(tmp_path / "q.npz", Q=np.eye(2), notes=np.zeros(3))
    model = read_model(tmp_path / "q.npz")
    assert isinstance(model, Model)
    assert len(model.bqm.variables) == 2
    np.savez(tmp_path / "p.npz", P=np.eye(2), notes=np.zeros(3))
    with pytest.raises(FileFormatError, match="holds no array Q but 'P', 'notes'"):
        read_model(tmp_path / "p.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"sense": "max"},
        {"objective": "obj: x + 3 y"},
        {"row": "c: x + y <= 2"},
        {"row": "d: x + y <= 1"},
        {"row": "c: x + y >= 1"},
        {"kind": "general"},
    ],
    ids=str,
)
def test_programs_that_differ_in_one_thing_are_not_the_same(tmp_path: Path, change: dict[str, str]) -> None:
    def program(**parts: str) -> ConstrainedModel:
        given = {"sense": "min", "objective": "obj: x + 2 y", "row": "c: x + y <= 1", "kind": "binary"} | parts
        text = f"{given['sense']}\n {given['objective']}\nst\n {given['row']}\nbounds\n x <= 1\n y <= 1\n"
        found = read(tmp_path, "lp", f"{text}{given['kind']}\n x y\nend\n")
        assert isinstance(found, ConstrainedModel)
        return found

    assert same_program(program(), program())
    assert not same_program(program(), program(**change))


@pytest.mark.parametrize(("name", "text"), [("gset", "2 1\n1 2 1\n"), ("qaplib", "1\n2\n3\n"), ("tsplib", BURMA)])
def test_readers_take_a_path_too(tmp_path: Path, name: str, text: str) -> None:
    module, _, function = FORMATS[name].reader.partition(":")
    read_path = getattr(import_module(f"qubo_dnn.files.{module}"), function)
    assert type(read_path(written(tmp_path, text))) is type(read(tmp_path, name, text))
