"""The page of a run, made from its JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.networks.comparison.methods import OURS, SEPARABLE, TRACE, UNIFORM
from bench.networks.comparison.results import NetworkFacts, NetworkResults, NetworkRow
from bench.tables import Table, grouped, with_range

PICTURE = "divergence"
_JUDGED = 3.0  # bits, where methods are compared in words


def page(results: NetworkResults, about: str, remarks: str) -> str:
    """As Markdown.

    Args:
        results: at least one network.
        about: what the benchmark is and how it is run, in Markdown.
        remarks: on these results, in Markdown; may be empty.
    """
    parts = [
        "# Networks that others trained",
        about.strip(),
        "## Networks and their inputs",
        NETWORKS.markdown(results.networks.values()),
        f"## Divergence at {_JUDGED:g} bits",
        "\n".join(f"- {line}" for line in verdicts(results)),
        remarks.strip(),
        f"![Divergence over bits]({PICTURE}.png)",
    ]
    for name, network in results.networks.items():
        own = [row for row in results.rows if row.network == name]
        if own:
            parts += [f"## {name}", _described(network, own), table(own)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(rows: Sequence[NetworkRow]) -> str:
    """A line for each width and method, over the seeds; the least mean divergence of a width in bold."""
    groups = list(grouped(sorted(rows, key=lambda row: (row.bits, _place(row.method))), "bits", "method").values())
    least = {same[0].bits: min(mean(other) for other in groups if other[0].bits == same[0].bits) for same in groups}
    return Table(_HEADINGS, lambda same: _cells(same, best=mean(same) == least[same[0].bits])).markdown(groups)


def verdicts(results: NetworkResults) -> list[str]:
    """Sentences: where ours diverges no more than another method."""
    found = []
    for other in (UNIFORM, SEPARABLE, TRACE):
        ratios = {}
        for name in results.networks:
            ours, others = (means(results, name, method) for method in (OURS, other))
            if ours is not None and others is not None:
                ratios[name] = ours / others
        if ratios:
            worse = [f"{name} ({ratio:.2f} times)" for name, ratio in ratios.items() if ratio > 1.0]
            equal = [name for name, ratio in ratios.items() if ratio == 1.0]
            found.append(
                f"`{OURS}` diverges less than `{other}` on {len(ratios) - len(worse) - len(equal)} of {len(ratios)} "
                f"networks ({min(ratios.values()):.2f} to {max(ratios.values()):.2f} times its divergence)"
                + (f"; the same on {', '.join(equal)}" if equal else "")
                + (f"; more on {', '.join(worse)}." if worse else ".")
            )
    return found


def means(results: NetworkResults, network: str, method: str, bits: float = _JUDGED) -> float | None:
    """Mean divergence over the seeds; None where nothing was run."""
    own = [row for row in results.rows if (row.network, row.method, row.bits) == (network, method, bits)]
    return mean(own) if own else None


def mean(same: Sequence[NetworkRow]) -> float:
    """Mean divergence of the rows of all seeds."""
    return statistics.fmean(row.divergence for row in same)


def _place(method: str) -> int:
    return (OURS, SEPARABLE, TRACE, UNIFORM).index(method)


def _cells(same: Sequence[NetworkRow], *, best: bool) -> tuple[str, ...]:
    divergence = with_range([row.divergence for row in same], ".3g")
    return (
        f"{same[0].bits:g}",
        same[0].method,
        f"{statistics.fmean(row.stored_bits for row in same):.3f}",
        f"**{divergence}**" if best else divergence,
        with_range([100 * row.metric for row in same], ".1f"),
        f"{statistics.fmean(row.cpu_seconds for row in same):.0f}",
        f"{max(row.peak_gib for row in same):.2f}",
    )


def _described(network: NetworkFacts, rows: Sequence[NetworkRow]) -> str:
    seeds = ", ".join(map(str, sorted({row.seed for row in rows})))
    return f"The metric: {network.metric_name}; {100 * network.metric:.1f} % before compression. Seeds: {seeds}."


def _facts(network: NetworkFacts) -> tuple[str, ...]:
    return (
        *(network.name, ", ".join(network.packages), network.task, network.inputs),
        *(f"{network.weights:,}", network.granularity, f"{network.units:,}"),
    )


_HEADINGS = "bits | method | stored bits | divergence | metric, % | CPU, s | peak memory, GiB"
NETWORKS = Table("network | packages | task | inputs (calibration, test) | weights | granularity | units", _facts)
