"""Every file is read or refused by its name, however damaged; what is written is read back to the same."""

from __future__ import annotations

import gzip
import io
import tempfile
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import dimod
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from qubo_dnn.errors import FileFormatError, UnsupportedProblemError
from qubo_dnn.files.common.model import ConstrainedModel, Model, same_model
from qubo_dnn.files.formats import FORMATS, choose, write_model
from tests.drawn import drawn

pytestmark = pytest.mark.slow

# Examples share the folder of their test: making and removing one takes longer than most of them.
in_one_folder = partial(
    settings, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
BQM = dimod.BinaryQuadraticModel(
    {"a": 1.5, "b": 0.0, "c": -2.0}, {("a", "b"): 0.25, ("b", "c"): -1e-9}, 0.125, dimod.BINARY
)


def _cqm() -> dimod.ConstrainedQuadraticModel:
    cqm = dimod.ConstrainedQuadraticModel.from_bqm(BQM)
    cqm.add_variable("INTEGER", "i", lower_bound=-2, upper_bound=5)
    cqm.add_constraint_from_model(BQM, "<=", rhs=2.0, label="limit")
    cqm.add_constraint_from_iterable([("a", 1.0), ("i", 2.0)], "==", rhs=1.0, label="sum")
    return cqm


@cache
def sample(name: str) -> bytes:
    """A small valid file of a format."""
    stream = io.BytesIO()
    np.savez(stream, Q=np.array([[1.0, -2.0], [0.0, 3.0]]), offset=np.array(1.5))
    with tempfile.TemporaryDirectory() as folder:
        written = {}
        for each in ("bqm", "coo", "qubo", "lp"):
            path = Path(folder) / f"model.{each}"
            write_model(ConstrainedModel(_cqm()) if each == "lp" else Model(BQM), path)
            written[each] = path.read_bytes()
    texts = {
        "qplib": "X\nQBL\nmaximize\n3\n1\n2\n1 1 4\n2 1 3\n1\n1\n2 5\n2\n2\n1 1 1\n1 2 1\n1e9\n0\n0\n1\n" + "0\n" * 9,
        "mps": "NAME\nROWS\n N obj\n L c1\n G c2\nCOLUMNS\n M 'MARKER' 'INTORG'\n x obj 1 c1 1\n y c2 2\n"
        " M 'MARKER' 'INTEND'\n"
        "RHS\n R c1 1.5\nBOUNDS\n BV B x\n UP B y 4\nENDATA\n",
        "bqp": "1\n3 3\n1 1 5\n1 2 -3\n3 3 2\n",
        "biqmac": "# x\n3 3\n1 1 5\n1 2 -3\n3 3 2\n",
        "gset": "4 3\n1 2 1\n2 3 -2.5\n3 4 1\n",
        "dimacs-graph": "c x\np edge 4 3\nn 1 2\ne 1 2\ne 2 3\ne 3 4\n",
        "dimacs-cnf": "c x\np wcnf 3 3 10\n10 1 -2 0\n3 2 3 0\n4 -1\n-3 0\n",
        "qaplib": "2\n0 1\n1 0\n0 3\n4 0\n",
        "tsplib": "NAME: t\nTYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: EUC_2D\n"
        "NODE_COORD_SECTION\n1 0 0\n2 3 4\n3 6 8\nEOF\n",
        "job-shop": "2 2\n0 3 1 2\n1 4 0 1\n",
        "knapsack": "3 10\n5 4\n6 5\n7 6\n",
        "quadratic-knapsack": "name\n3\n4 5 6\n7 8\n9\n\n0\n5\n1 2 3\n\nComments\n",
        "set-cover": "2 3\n1 2 3\n2 1 2\n2 2 3\n",
    }
    made: dict[str, bytes] = {
        **{key: text.encode() for key, text in texts.items()},
        **written,
        "npz": stream.getvalue(),
        "cqm": _cqm().to_file().read(),
    }
    return made[name]


WORDS = [*(word.encode() for word in "0 -1 1 999999999999 1e400 nan inf 1_0 # c p : [ ]".split()), b"\xff"]  # noqa: SIM905 (shorter)


def mutated(data: bytes, rng: Random) -> bytes:
    """The data with up to four pieces changed, lost, repeated or put in.

    Not drawn piece by piece by hypothesis, which would take longer than all the rest of a test.
    """
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, max(len(changed) - 1, 0))
        length = rng.randint(1, 12)
        kind = rng.choice(("byte", "lose", "repeat", "word", "line", "cut"))
        if kind == "byte" and changed:
            changed[at] = rng.randint(0, 255)
        elif kind == "lose":
            del changed[at : at + length]
        elif kind == "repeat":
            changed[at:at] = changed[at : at + length]
        elif kind == "word":
            changed[at:at] = b" " + rng.choice(WORDS) + b" "
        elif kind == "line":
            changed[at:at] = b"\n"
        else:
            del changed[at:]
    return bytes(changed)


def refusal(name: str, path: Path) -> str | None:
    """The text of the refusal, None where the file is read."""
    try:
        FORMATS[name].read(path)
    except FileFormatError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", FORMATS)
def test_the_samples_are_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(sample(name))
    plain = FORMATS[name].read(path)
    path.write_bytes(gzip.compress(sample(name)))
    assert type(FORMATS[name].read(path)) is type(plain)


ANONYMOUS = (
    *("gset", "qaplib", "bqp", "biqmac", "dimacs-graph", "dimacs-cnf", "qubo", "coo", "tsplib", "job-shop"),
    *("quadratic-knapsack", "set-cover"),
)


@pytest.mark.parametrize("name", ANONYMOUS)
def test_a_valid_file_of_any_name_is_guessed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(sample(name))
    assert choose(path).format.name == name


# Read in a process of its own, which takes its time.
SLOW = ("cqm", "mps")


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in SLOW])
@in_one_folder(max_examples=drawn(300))
@given(seed=st.integers(0, 2**63 - 1))
def test_a_damaged_file_is_read_or_refused_by_its_name(name: str, tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    damaged = mutated(sample(name), rng)
    note(repr(damaged))
    path = tmp_path / "damaged"
    path.write_bytes(gzip.compress(damaged) if rng.random() < 0.5 else damaged)
    text = refusal(name, path)
    assert text is None or (text.startswith(str(path)) and "\n" not in text and len(text) < 1000)


@pytest.mark.parametrize("name", SLOW)
@in_one_folder(max_examples=drawn(15), derandomize=True)
@given(seed=st.integers(0, 2**63 - 1))
def test_a_damaged_file_of_a_slow_format_is_read_or_refused(name: str, tmp_path: Path, seed: int) -> None:
    damaged = mutated(sample(name), Random(seed))
    note(repr(damaged))
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    text = refusal(name, path)
    assert text is None or (text.startswith(str(path)) and "\n" not in text)


labels = st.one_of(st.integers(-5, 2**63 - 1), st.text(max_size=6))
biases = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def models(draw: st.DrawFn, names: st.SearchStrategy[Any] = labels) -> Model:
    """A model of either vartype, of any labels, biases and variables without a bias."""
    variables = draw(st.lists(names, unique=True, max_size=6))
    bqm = dimod.BinaryQuadraticModel(draw(st.sampled_from((dimod.BINARY, dimod.SPIN))))
    for variable in variables:
        bqm.add_linear(variable, draw(biases))
    for k, variable in enumerate(variables):
        for other in variables[:k]:
            if draw(st.booleans()):
                bqm.add_quadratic(other, variable, draw(biases))
    bqm.offset = draw(biases)
    return Model(bqm, draw(st.sampled_from(("min", "max"))))


@pytest.mark.parametrize("suffix", ["coo", "qubo", "npz", "bqm", "lp", "coo.gz"])
@in_one_folder(max_examples=drawn(150))
@given(model=models())
def test_what_is_written_is_read_back_to_the_same_or_refused(suffix: str, tmp_path: Path, model: Model) -> None:
    path = tmp_path / f"model.{suffix}"
    path.unlink(missing_ok=True)
    try:
        write_model(model, path)
    except UnsupportedProblemError:
        assert suffix in ("qubo", "bqm", "lp")
        assert list(tmp_path.iterdir()) == []
        return
    back = FORMATS[suffix.partition(".")[0]].read(path)
    if suffix == "lp":
        assert back.sense == model.sense
        assert list(back.cqm.variables) == list(model.bqm.variables)
        assert back.cqm.objective.is_equal(dimod.QuadraticModel.from_bqm(model.bqm))
    else:
        assert same_model(model, back)


@in_one_folder(max_examples=drawn(100))
@given(model=models(st.from_regex(r"\A[a-z]{2}[0-9]\Z")))
def test_binary_models_with_plain_names_fit_into_every_format(tmp_path: Path, model: Model) -> None:
    binary = Model(model.bqm.change_vartype(dimod.BINARY, inplace=False), "min")
    sizes = np.abs([*binary.bqm.linear.values(), *binary.bqm.quadratic.values(), binary.bqm.offset])
    # LP files hold twice a quadratic bias.
    assume(sizes.max() < 1e307)
    for suffix in ("coo", "qubo", "npz", "bqm", "lp"):
        path = tmp_path / f"model.{suffix}"
        path.unlink(missing_ok=True)
        write_model(binary, path)
