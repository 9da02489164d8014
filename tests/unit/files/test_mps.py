"""MPS files: bounds, ranges, quadratic objectives, rows without terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.common.model import ConstrainedModel
from qubo_dnn.files.mps import read_mps
from tests.unit.files.programs import optimum

pytest.importorskip("highspy")
HEAD = "NAME t\n{sense}ROWS\n N obj\n L c1\n G c2\n E c3\nCOLUMNS\n M 'MARKER' 'INTORG'\n x obj 1 c1 1\n y obj 2 c1 1\n"
TAIL = " z c2 1\n M 'MARKER' 'INTEND'\nRHS\n R c1 3 obj -5\n{rhs}{more}ENDATA\n"
BITS = "BOUNDS\n BV B x\n BV B y\n BV B z\n"


def read(folder: Path, more: str = BITS, rhs: str = "", sense: str = "OBJSENSE\n MAX\n") -> ConstrainedModel:
    path = folder / "model.mps"
    path.write_text((HEAD + TAIL).format(sense=sense, rhs=rhs, more=more))
    return read_mps(path)


@pytest.mark.parametrize(
    ("more", "bounds"),
    [
        pytest.param("BOUNDS\n LO B x -7.5\n UP B x -2.5\n", (-7, -3), id="negative"),
        pytest.param("BOUNDS\n LI B x -7.5\n UI B x 2.5\n", (-7, 2), id="fractional-integers"),
        pytest.param("BOUNDS\n FX B x 3\n", (3, 3), id="fixed"),
        pytest.param("BOUNDS\n FR B x\n", (-(2**53) + 1, 2**53 - 1), id="free"),
        pytest.param("BOUNDS\n MI B x\n UP B x 4\n", (-(2**53) + 1, 4), id="minus-infinity"),
        pytest.param("BOUNDS\n LO B x 2\n PL B x\n", (2, 2**53 - 1), id="plus-infinity"),
        pytest.param("BOUNDS\n UP B x 1e30\n", (0, 2**53 - 1), id="infinite-number"),
        pytest.param("", (0, 1), id="none"),
    ],
)
def test_bounds_of_every_kind_are_rounded_inwards(tmp_path: Path, more: str, bounds: tuple[int, int]) -> None:
    cqm = read(tmp_path, more).cqm
    assert (cqm.lower_bound("x"), cqm.upper_bound("x")) == bounds


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param("BOUNDS\n LO B x 0.2\n UP B x 0.8\n", "'x' is within 0.2 and 0.8", id="no-integer"),
        pytest.param("BOUNDS\n UP B x -4\n", "'x' is within 0 and -4", id="negative-upper"),
        pytest.param("BOUNDS\n SC B x 4\n", "'x' is semi-continuous", id="semi-continuous"),
        pytest.param("BOUNDS\n UP B x 4\n UP B x 9\n", "has duplicate upper bound definition: ignored", id="twice"),
        pytest.param("QCMATRIX c1\n x x 2\n", "Quadratic rows not supported", id="quadratic-row"),
        pytest.param("SOS\n S1 s\n x 1\n y 2\n", "SOS not supported", id="sos"),
        pytest.param("INDICATORS\n IF c1 x 1\n", "INDICATORS", id="indicators"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, more)
    assert words in str(caught.value)


def test_a_part_that_highs_would_pass_over_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.mps"
    path.write_text((HEAD + TAIL).format(sense="", rhs="", more=BITS).replace("y obj 2 c1 1", "y obj 2 nope 1"))
    with pytest.raises(FileFormatError, match='Row name "nope" in COLUMNS section is not defined'):
        read_mps(path)


@pytest.mark.parametrize(
    ("sense", "more", "best"),
    [
        pytest.param("OBJSENSE\n MAX\n", "", 8.0, id="max"),
        pytest.param("", "", 5.0, id="min"),
        pytest.param("OBJSENSE\n MAX\n", "QUADOBJ\n x x 6\n y x -5\n", 9.0, id="triangle"),
        pytest.param("OBJSENSE\n MAX\n", "QUADOBJ\n x x 6\n x y -5\n", 9.0, id="other-triangle"),
        pytest.param("OBJSENSE\n MAX\n", "QMATRIX\n x x 6\n y x -5\n x y -5\n", 9.0, id="whole-matrix"),
        pytest.param("", "QUADOBJ\n x x -8\n y x 5\n", 2.0, id="triangle-min"),
    ],
)
def test_the_objective_has_a_constant_and_halves_its_quadratic_form(
    tmp_path: Path, sense: str, more: str, best: float
) -> None:
    assert optimum(read(tmp_path, BITS + more, sense=sense)) == best


@pytest.mark.parametrize(
    ("rhs", "best"),
    [
        pytest.param("", 8.0, id="nothing-is-at-most-3"),
        pytest.param(" R c3 1\n", None, id="nothing-equals-1"),
        pytest.param(" R c2 2\n", None, id="z-is-at-least-2"),
        pytest.param("RANGES\n R c1 2\n R c2 0.5\n", 8.0, id="ranges"),
        pytest.param("RANGES\n R c3 -2\n", 8.0, id="range-of-an-empty-row"),
        pytest.param(" R c3 -1\nRANGES\n R c3 0.5\n", None, id="range-without-0"),
    ],
)
def test_rows_without_terms_hold_or_not(tmp_path: Path, rhs: str, best: float | None) -> None:
    program = read(tmp_path, rhs=rhs)
    assert optimum(program) == best
    assert ("c3" in program.cqm.constraints) == (best is None and "c3" in rhs)


def test_continuous_variables_that_are_fixed_are_replaced(tmp_path: Path) -> None:
    text = (HEAD + TAIL).format(sense="OBJSENSE\n MAX\n", rhs=" R c3 4\n", more=BITS + " FX B w 2\n FR B v\n")
    path = tmp_path / "model.mps"
    path.write_text(text.replace("INTEND'\n", "INTEND'\n w obj 3 c1 1\n v obj 1 c3 2\n"))
    program = read_mps(path)
    # v = 2 by its row; x + y <= 1 is left of c1.
    assert (optimum(program), set(program.cqm.variables)) == (15.0, {"x", "y", "z"})
    assert "w = 2" in program.notes[-1]
