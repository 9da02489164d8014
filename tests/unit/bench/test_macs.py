"""The exact optimum by counts of channels against brute force, and against backends."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bench.macs.__main__ import main
from bench.macs.chains import vgg_chain
from bench.macs.counts import best_counts
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_optimum_is_that_of_brute_force(seed: int, share: float) -> None:
    chain = vgg_chain((3, 5, 4, 6), share, seed)
    sums = [np.append(0.0, np.cumsum(np.sort(each))) for each in chain.losses]
    counts = product(*(range(1, len(each) + 1) for each in chain.losses))
    losses = [
        sum(float(each[len(each) - 1 - count]) for each, count in zip(sums, kept, strict=True))
        for kept in counts
        if chain.macs(kept) <= chain.limit
    ]
    found = best_counts(chain)
    assert found.loss == pytest.approx(min(losses))
    assert found.bound <= found.loss * (1.0 + 1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_the_program_of_single_channels_has_the_same_optimum(seed: int) -> None:
    """What a backend proves for every channel by itself is what counts alone say."""
    chain = vgg_chain((3, 4, 6), share=0.5, seed=seed)
    problem = PruningQuantization(chain.task, objective="separable").compile()
    solution = solve(problem, get_backend("exact-milp"), {"seed": 0})
    assert solution.sampleset.info["optimal"]
    assert solution.best.objective == pytest.approx(best_counts(chain).loss, rel=1e-5)


def test_the_command_prints_a_row_for_every_backend(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--widths", "3", "4", "--shares", "0.6", "--seeds", "1", "--backends", "tabu", "exact-milp"]
    main([*words, "--time-limit", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[3] for line in lines[2:]] == ["tabu", "exact-milp"]
    assert lines[3].split(" | ")[4] == "0.00%"
