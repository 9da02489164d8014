"""All solvers, `pt` first."""

from __future__ import annotations

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
    wanted = [SOLVERS[name] for name in names or SOLVERS]
    missing = {peer.name: why for peer in wanted if (why := peer.missing) is not None}
    there = [peer for peer in wanted if peer.name not in missing]
    if not there:
        raise OptionError(f"no solver can run: {'; '.join(missing.values())}")
    return there, missing
