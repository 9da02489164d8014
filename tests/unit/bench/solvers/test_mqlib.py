"""MQLib is called as its program wants it; a stub that knows its command line and tries all states stands for it."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import dimod
import numpy as np
import pytest

from bench.solvers.clock import CpuClock
from bench.solvers.peers.mqlib import HEURISTICS, heuristics, model_file, read_answer
from qubo_dnn.errors import BackendFailedError, OptionError

# From its guide.
ANSWER = '10,BURER2002,"bin/sampleQUBO.txt",6,10.00002,[0:0.000418;6:0.000797]\n\nSolution:\n1 0 1\n'
STUB = """#!{python}
import sys
from itertools import product
assert "-nv" in sys.argv and "-ps" in sys.argv
cut = "-fM" in sys.argv
path = sys.argv[sys.argv.index("-fM" if cut else "-fQ") + 1]
first, *lines = open(path).read().splitlines()
n, m = map(int, first.split())
assert m == len(lines) and 0 <= int(sys.argv[sys.argv.index("-s") + 1]) < 65536
terms = [(int(a) - 1, int(b) - 1, float(w)) for a, b, w in map(str.split, lines)]
def value(x):
    if cut:
        return sum(w for a, b, w in terms if x[a] != x[b])
    return sum((1 if a == b else 2) * w for a, b, w in terms if x[a] and x[b])
best = max(product((0, 1), repeat=n), key=value)
shown = [2 * x - 1 for x in best] if cut else best
limit, name = (sys.argv[sys.argv.index(word) + 1] for word in ("-r", "-h"))
print(f'{{limit}},{{name}},"{{path}}",{{value(best)!r}},0.01,[{{value(best)!r}}:0.005]\\n\\nSolution:')
print(*shown)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "MQLib"
    path.write_text(STUB.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
@pytest.mark.parametrize("fields", [0.0, 1.0])
def test_models_and_answers_are_translated(program: Path, vartype: str, fields: float) -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.triu_indices(8, 1)
    pairs = (rows, columns, rng.integers(-9, 10, len(rows)).astype(float))
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(fields * rng.integers(1, 10, 8), pairs, 2.5, vartype)
    best = float(dimod.ExactSolver().sample(bqm).first.energy)
    assert model_file(bqm)[0] == ("-fM" if vartype == "SPIN" and not fields else "-fQ")
    clock = CpuClock(bqm, 30.0, best)
    peers = heuristics(program)
    assert [peer.missing for peer in peers.values()] == [None] * len(HEURISTICS)
    peers["MQLib LU2010"].prepare(bqm)(clock, 3)
    clock.check("MQLib")
    assert clock.reached
    # What the program took counts, and its own time is added to what came before.
    assert 0.0 < clock.trace[-1][0] <= clock.seconds


def test_the_history_is_read() -> None:
    assert read_answer(ANSWER) == (10.00002, [(0.0, 0.000418), (6.0, 0.000797)], [True, False, True])
    assert read_answer(ANSWER.replace("1 0 1", "1 -1 -1 "))[2] == [True, False, False]
    for text in ("", "Illegal heuristic code X\n", ANSWER.partition("\n")[0]):
        with pytest.raises(ValueError, match="neither history nor solution"):
            read_answer(text)


def test_programs_that_are_none_or_fail_are_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is no program"):
        heuristics(tmp_path)
    with pytest.raises(OptionError, match="is no program"):
        heuristics(tmp_path / "absent")
    bqm = dimod.BinaryQuadraticModel({0: 1.0}, {(0, 1): 1.0}, 0.0, "SPIN")
    run = heuristics(Path("/bin/echo"), ("LU2010",))["MQLib LU2010"].prepare(bqm)
    with pytest.raises(BackendFailedError, match=r"MQLib gave no answer to .*: -fQ"):
        run(CpuClock(bqm, 1.0), 0)
