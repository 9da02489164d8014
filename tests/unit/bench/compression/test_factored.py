from __future__ import annotations

from bench.compression.factored import solved


def test_the_factor_is_solved_to_below_what_knows_no_pairs() -> None:
    found = solved("layer", 32, 0.5, 3.0, 2.0, 0)
    assert found.variables == 54 * 6
    assert found.feasible
    assert found.found < min(found.greedy, found.separable)
    assert found.quick < min(found.greedy, found.separable)
    assert found.sweeps > 0
