"""Estimates of `inspect` beside measurements."""

from __future__ import annotations

from dataclasses import asdict

from bench.compression.estimates import GIVEN, TABLE, Estimate, estimate


def test_an_estimate_is_of_the_measurement_beside_it() -> None:
    found = estimate(GIVEN, None, "layer", images=6, seed=0)
    assert (found.network, found.images, found.variables) == (GIVEN, 6, 7 * 6)
    assert found.estimate > 0.0
    assert found.measure_seconds > 0.0


def test_the_table_says_how_far_it_is_off() -> None:
    found = Estimate(GIVEN, "channel", 256, 2076, inspect_seconds=1.2, estimate=3.0, measure_seconds=2.5)
    row = TABLE.markdown([{**asdict(found), "ratio": found.ratio}]).splitlines()[-1]
    assert row == "| of --data | channel | 256 | 2,076 | 1.2 | 3.00 | 2.50 | 1.20 |"
