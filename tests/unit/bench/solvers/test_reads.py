"""The table of what reads cost."""

from __future__ import annotations

from bench.solvers.reads import ReadsRow, cells, headings, timed


def test_a_row_of_the_table() -> None:
    row = ReadsRow("tabu", 40, (1, 5000), (0.0123, 62.0), (-170.0, -178.0))
    assert cells(row) == ["tabu", "40", "0.0123", "62", "-170, -178"]
    assert headings(row.reads) == ["backend", "variables", "s of 1 read", "s of 5,000 reads", "least energies"]


def test_every_number_of_reads_is_timed() -> None:
    row = timed("steepest-descent", 3, [1, 5])
    assert (row.backend, row.variables, row.reads) == ("steepest-descent", 3, (1, 5))
    assert len(row.seconds) == 2
    assert min(row.seconds) > 0.0
    # Three spins, all coupled by -1 or 1: frustrated or not.
    assert row.energies[1] in (-1.0, -3.0)
