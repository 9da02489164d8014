"""What the sweeps and the searches of a run did, and what they found, for `info`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass
class Entry:
    """Work and gains of one kind of search, or of the sweeps.

    Attributes:
        calls: searches, or sweeps.
        moves: tried so far, whether made or not: flips, options, exchanges or reversals that were looked at.
        gains: how often it found a better state than any before.
        gained: energy by which these were lower than the best state before, in the unit of the engine.
    """

    calls: int = 0
    moves: int = 0
    gains: int = 0
    gained: float = 0.0


class Ledger:
    """One entry for each name; the first state of all is a gain of no energy.

    Args:
        names: of the sweeps and of the searches.
        least: the energy of a gain is lower by more than this.

    Attributes:
        entries: name -> entry.
        best_energy: of all that was found, infinite while there is nothing.
        found_by: name of what found that state first, None while there is nothing.

    Example:
        >>> ledger = Ledger(["sweeps", "tabu"], 0.5)
        >>> ledger.did("sweeps", 1000, calls=10)
        >>> ledger.found("sweeps", -3.0)
        >>> ledger.did("tabu", 3000)
        >>> ledger.found("tabu", -7.0)
        >>> report([ledger], 2.0)["tabu"]
        {'calls': 1, 'moves': 3000, 'share': 0.75, 'gains': 1, 'gained': 8.0}
        >>> ledger.found_by
        'tabu'
    """

    def __init__(self, names: Iterable[str], least: float) -> None:
        self.entries = {name: Entry() for name in names}
        self.best_energy = math.inf
        self.found_by: str | None = None
        self._least = least

    def did(self, name: str, moves: int, calls: int = 1) -> None:
        """Note work."""
        self.entries[name].calls += calls
        self.entries[name].moves += moves

    def found(self, name: str, energy: float) -> None:
        """Note the energy of a state."""
        if energy >= self.best_energy - self._least:
            return
        entry = self.entries[name]
        entry.gains += 1
        entry.gained += self.best_energy - energy if self.found_by else 0.0
        self.best_energy, self.found_by = energy, name


def report(ledgers: Iterable[Ledger], unit: float) -> dict[str, dict[str, Any]]:
    """Return name -> entry for `info`, summed over ladders; energies are multiplied by `unit`."""
    ledgers = list(ledgers)
    total = sum(entry.moves for ledger in ledgers for entry in ledger.entries.values())
    portfolio = {}
    for name in ledgers[0].entries:
        entries = [ledger.entries[name] for ledger in ledgers]
        moves = sum(entry.moves for entry in entries)
        portfolio[name] = {
            "calls": sum(entry.calls for entry in entries),
            "moves": moves,
            "share": moves / max(total, 1),
            "gains": sum(entry.gains for entry in entries),
            "gained": unit * sum(entry.gained for entry in entries),
        }
    return portfolio
