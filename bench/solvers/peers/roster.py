"""All solvers, `pt` first."""

from __future__ import annotations

from collections.abc import Iterable

from bench.solvers.peers import bifurcation, jij, ocean_annealers, ocean_tabu, pt
from bench.solvers.peers.peer import Peer
from qubo_dnn.errors import OptionError, suggestion

SOLVERS: dict[str, Peer] = {
    peer.name: peer for module in (pt, ocean_annealers, ocean_tabu, jij, bifurcation) for peer in module.PEERS
}


def available(names: list[str] | None) -> tuple[list[Peer], dict[str, str]]:
    """The solvers of these names that can run, and why the others cannot.

    Args:
        names: None for all.

    Raises:
        OptionError: there is none of that name, or none can run.
    """
    for name in names or ():
        if name not in SOLVERS:
            raise OptionError(f"unknown solver {name!r}{suggestion(name, SOLVERS)}")
    there, missing = split([SOLVERS[name] for name in names or SOLVERS])
    if not there:
        raise OptionError(f"no solver can run: {'; '.join(missing.values())}")
    return there, missing


def split(wanted: Iterable[Peer]) -> tuple[list[Peer], dict[str, str]]:
    """The solvers that can run, and why the others cannot."""
    found = list(wanted)
    missing = {peer.name: why for peer in found if (why := peer.missing) is not None}
    return [peer for peer in found if peer.name not in missing], missing
