"""Pictures of a diagnosis: chains, coefficients, chain breaks, chain strengths, and a map of the chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import dimod
import numpy as np
from numpy.typing import NDArray

from qubo_dnn.embedding.diagnosis import Diagnosis
from qubo_dnn.embedding.embedding import Embedding
from qubo_dnn.embedding.program import AnnealingProgram
from qubo_dnn.embedding.reads import Judged, best_strength
from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.support.extras import require

_BINS = 24


def pictures(found: Diagnosis) -> list[Picture]:
    """Return all pictures for which a diagnosis has data; none if the problem does not fit.

    Example:
        >>> from qubo_dnn.embedding.backend_model import make_backend_model
        >>> from qubo_dnn.embedding.diagnosis import DiagnosisSettings, diagnose
        >>> from qubo_dnn.embedding.target import target
        >>> from qubo_formulations.max_cut import MaxCut
        >>> model = make_backend_model(MaxCut([(0, 1), (1, 2), (0, 2)]).compile(), presolve=False)
        >>> found = diagnose(model, target("chimera:1"), DiagnosisSettings(reads=0))
        >>> [each.name for each in pictures(found)]
        ['chain-lengths', 'coefficients', 'map']
    """
    if found.embedding is None or found.program is None or not found.embedding.chains:
        return []
    drawn = [chain_lengths(found.embedding), _coefficients(found, found.program)]
    if found.judged is not None:
        drawn += [_breaks(found.judged), _energies(found.judged)]
    if found.scan:
        drawn += [_scan_breaks(found), _scan_energies(found)]
    return [*drawn, _map(found.embedding)]


def chain_lengths(embedding: Embedding) -> Picture:
    """Return how many chains have which length.

    Example:
        >>> def longest(embedding: Embedding) -> int:
        ...     return int(chain_lengths(embedding).series[0].x[-1])
    """
    counts = Counter(map(len, embedding.chains.values()))
    lengths = range(1, embedding.longest + 1)
    bars = Series("", list(lengths), [counts[length] for length in lengths], "bars")
    note = f"{embedding.qubits:,} qubits for {len(embedding.chains):,} variables; long chains break more often."
    return Picture("chain-lengths", "Chain lengths", "qubits in the chain", "variables", [bars], note=note)


def _coefficients(found: Diagnosis, plan: AnnealingProgram) -> Picture:
    """Draw |coefficient| of the source Ising model and of the program, each relative to its largest."""
    ising = found.model.bqm.change_vartype(dimod.SPIN, inplace=False)
    before = _sizes(np.array([*ising.linear.values(), *ising.quadratic.values()]))
    after = _sizes(np.concatenate([plan.fields, plan.couplings[2]]))
    low = min(before.min(initial=1.0), after.min(initial=1.0))
    edges = np.geomspace(min(low, 0.5), 1.0 + 1e-9, _BINS + 1)
    middles = np.sqrt(edges[1:] * edges[:-1])
    series = [
        Series(name, middles.tolist(), (np.histogram(sizes, edges)[0] / max(len(sizes), 1)).tolist(), "line")
        for name, sizes in (("before embedding", before), ("after, with chains", after))
    ]
    note = (
        f"Chains are the largest coefficients after embedding; the smallest one is then {plan.smallest:.2g} of a chip "
        f"whose errors are about 0.01 to 0.02, and needs {plan.bits:.1f} bits."
    )
    title, x = "Sizes of coefficients", "|coefficient| over the largest"
    return Picture("coefficients", title, x, "share of the coefficients", series, log_x=True, note=note)


def _sizes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes: NDArray[np.float64] = np.abs(values) / (np.abs(values).max(initial=0.0) or 1.0)
    return sizes[sizes > 1e-12]


def _breaks(reads: Judged) -> Picture:
    worst = sorted(reads.by_variable.items(), key=lambda item: -item[1])
    bars = Series("", list(range(len(worst))), [share for _, share in worst], "bars", texts=[str(v) for v, _ in worst])
    note = f"{reads.broken.mean():.1%} of all chains are broken, {np.mean(reads.broken > 0):.1%} of the reads have one."
    title, x = "Broken chains, emulated", "variables, the worst first"
    return Picture("breaks", title, x, "share of the reads with a broken chain", [bars], note=note)


def _energies(reads: Judged) -> Picture:
    everything = np.concatenate(list(reads.energies.values()))
    low, high = float(everything.min()), float(everything.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    series = [
        Series(method, middles.tolist(), np.histogram(energies, edges)[0].tolist(), "line")
        for method, energies in reads.energies.items()
    ]
    whole = reads.broken == 0.0
    if whole.any():
        counts = np.histogram(reads.energies["majority-vote"][whole], edges)[0]
        series.append(Series("no chain broken", middles.tolist(), counts.tolist(), "line"))
    note = "What broken chains cost: reads repaired by vote, by energy, and those that needed no repair."
    return Picture(
        "energies", "Energies of the reads, emulated", "energy of the embedded model", "reads", series, note=note
    )


def _scan_breaks(found: Diagnosis) -> Picture:
    strengths = [each.strength for each in found.scan]
    series = [
        Series("broken chains", strengths, [float(each.broken.mean()) for each in found.scan]),
        Series("feasible reads", strengths, [each.feasible for each in found.scan]),
    ]
    note = (
        "Chains that are too weak break; every increase takes range from the problem, whose terms sink into the errors."
    )
    return Picture("scan-breaks", "Chain strength: breaks", "chain strength", "share", series, log_x=True, note=note)


def _scan_energies(found: Diagnosis) -> Picture:
    strengths = [each.strength for each in found.scan]
    series = [
        Series("best", strengths, [each.energy for each in found.scan]),
        Series("mean", strengths, [float(each.energies["majority-vote"].mean()) for each in found.scan]),
    ]
    assert found.program is not None  # there is no scan without one
    asked = found.program.chain_strength
    note = f"Best at {best_strength(found.scan).strength:.4g}; the strength asked for was {asked:.4g}."
    title = "Chain strength: energies"
    return Picture(
        "scan-energies", title, "chain strength", "energy after majority vote", series, log_x=True, note=note
    )


def _map(embedding: Embedding) -> Picture:
    """Draw the chip in the layout of its family: free qubits grey, chains coloured, couplers of chains as lines."""
    topology = embedding.target.topology
    assert topology is not None  # targets are made from topologies
    graphs = require("dwave.graphs", "dwave")
    place = getattr(graphs, f"{topology[0]}_layout")(embedding.target.graph)
    used = {qubit for chain in embedding.chains.values() for qubit in chain}
    free = [qubit for qubit in embedding.target.graph if qubit not in used]
    lines: list[tuple[float | None, float | None]] = []
    for start, end in _chain_couplers(embedding):
        lines += [tuple(place[start]), tuple(place[end]), (None, None)]
    points = [
        (qubit, index, variable) for index, (variable, chain) in enumerate(embedding.chains.items()) for qubit in chain
    ]
    series = [
        Series(
            "",
            [float(place[qubit][0]) for qubit in free],
            [float(place[qubit][1]) for qubit in free],
            "points",
            faint=True,
        ),
        Series("", [x for x, _ in lines], [y for _, y in lines], "line", faint=True),
        Series(
            "",
            [float(place[qubit][0]) for qubit, _, _ in points],
            [float(place[qubit][1]) for qubit, _, _ in points],
            "points",
            colors=[float(index) for _, index, _ in points],
            texts=[f"{variable}: qubit {qubit}" for qubit, _, variable in points],
        ),
    ]
    note = f"{embedding.target.name}: a colour for every variable's chain; free qubits in grey."
    return Picture("map", "Where the variables live", "", "", series, note=note)


def _chain_couplers(embedding: Embedding) -> Iterator[tuple[int, int]]:
    for chain in embedding.chains.values():
        yield from embedding.target.graph.subgraph(chain).edges
