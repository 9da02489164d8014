"""The page of both parts, made from their JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.macs.generated import ChainResults, ChainRow
from bench.macs.methods import LINEAR, OPTIMUM, PAIRS, UNIFORM
from bench.macs.picture import PICTURE
from bench.macs.results import Answer, NetworkResults, NetworkRow
from bench.tables import Table, grouped, with_range


def page(chains: ChainResults | None, network: NetworkResults | None, about: str, remarks: str) -> str:
    """As Markdown.

    Args:
        chains: of generated chains, or None.
        network: of the network, or None.
        about: what the benchmark is and how it is run, in Markdown.
        remarks: on these results, in Markdown; may be empty.
    """
    parts = ["# Budgets of multiply-accumulates", about.strip()]
    if network is not None and network.rows:
        parts += [_given(network), "\n".join(f"- {line}" for line in verdicts(network))]
    parts.append(remarks.strip())
    if network is not None and network.rows:
        parts.append(f"![Accuracy over multiply-accumulates, and gaps of the backends]({PICTURE}.png)")
        for percent in _percents(network):
            parts += [f"## The network at {percent:g} % of the multiply-accumulates", network_table(network, percent)]
    if chains is not None and chains.rows:
        parts += ["## Generated chains", chain_table(chains)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _given(network: NetworkResults) -> str:
    seeds = ", ".join(map(str, sorted({row.seed for row in network.rows})))
    settings = ", ".join(f"{name} {value}" for name, value in network.settings.items())
    accuracy = "" if network.accuracy is None else f" {network.accuracy:.2%} on the test images."
    return f"The network as given:{accuracy} Seeds: {seeds}. Settings: {settings} (times in seconds)."


def _percents(network: NetworkResults) -> list[float]:
    return sorted({row.percent for row in network.rows}, reverse=True)


def by_method(network: NetworkResults, percent: float) -> dict[str, list[Answer]]:
    """Method -> its answers of all seeds."""
    own = [row for row in network.rows if row.percent == percent]
    return {
        method: [row.answer for row in same if row.answer is not None]
        for (method,), same in grouped(own, "method").items()
    }


def mean_accuracy(same: Sequence[Answer]) -> float:
    """In percent."""
    return 100 * statistics.fmean(answer.accuracy for answer in same)


def verdicts(network: NetworkResults) -> list[str]:
    """A sentence for every budget: ways of choosing by their accuracy, and which backends reach the optimum."""
    lines = []
    for percent in _percents(network):
        answers = {method: same for method, same in by_method(network, percent).items() if same}
        ways = [way for way in (OPTIMUM, PAIRS, LINEAR, UNIFORM) if way in answers]
        if len(ways) > 1:
            accuracies = ", ".join(f"`{way}` {mean_accuracy(answers[way]):.2f} %" for way in ways)
            lines.append(f"At {percent:g} %, accuracies are: {accuracies}.")
        gaps = {method: max(answer.gap for answer in same) for method, same in answers.items() if method not in ways}
        if gaps:
            largest = ", ".join(
                f"`{method}` {gap:.2%}" for method, gap in sorted(gaps.items(), key=lambda each: each[1])
            )
            lines.append(f"At {percent:g} %, the largest gaps to the optimum are: {largest}.")
    return lines


def network_table(network: NetworkResults, percent: float) -> str:
    """A line for each method, over the seeds; the best mean accuracy in bold."""
    own = [row for row in network.rows if row.percent == percent]
    answers = [same for same in by_method(network, percent).values() if same]
    best = max(map(mean_accuracy, answers), default=None)
    return Table(_HEADINGS, lambda same: _cells(same, best)).markdown(grouped(own, "method").values())


def _cells(same: Sequence[NetworkRow], best: float | None) -> tuple[str, ...]:
    found = [row.answer for row in same if row.answer is not None]
    name, seconds = same[0].method, f"{statistics.fmean(row.seconds for row in same):.1f}"
    count = f"{len(found)}" if len(found) == len(same) else f"{len(found)} of {len(same)}"
    if not found:
        return (name, count, *["none"] * 6, seconds)
    accuracy = with_range([100 * answer.accuracy for answer in found], ".2f")
    return (
        name,
        count,
        with_range([answer.loss for answer in found], ".4f"),
        with_range([100 * answer.gap for answer in found], ".2f"),
        with_range([100 * answer.macs for answer in found], ".2f"),
        f"**{accuracy}**" if mean_accuracy(found) == best else accuracy,
        with_range([answer.divergence for answer in found], ".3f"),
        ", ".join(map(str, found[0].kept)),
        seconds,
    )


def chain_table(chains: ChainResults) -> str:
    """A line for each backend at each budget, over the seeds."""
    rows = sorted(chains.rows, key=lambda row: (row.widths, -row.percent))
    return Table(_CHAIN_HEADINGS, _chain_cells).markdown(grouped(rows, "widths", "percent", "backend").values())


def _chain_cells(same: Sequence[ChainRow]) -> tuple[str, ...]:
    first = same[0]
    feasible = sum(row.feasible for row in same)
    return (
        *(" ".join(map(str, first.widths)), f"{first.percent:g}", first.backend),
        f"{len(same)}" if feasible == len(same) else f"{len(same)}, {feasible} within the budget",
        with_range([100 * row.gap for row in same], ".2f"),
        f"{100 * statistics.fmean(row.price for row in same):.2f}",
        f"{100 * statistics.fmean(row.used for row in same):.2f}",
        f"{statistics.fmean(row.calls for row in same):.0f}",
        f"{statistics.fmean(row.seconds for row in same):.1f}",
    )


_HEADINGS = (
    "method | seeds | separable loss, nats | gap, % | measured MACs, % | accuracy, % | divergence, nats | "
    "channels per layer | CPU, s"
)
_CHAIN_HEADINGS = "channels | % of the MACs | backend | seeds | gap, % | price, % | budget used, % | calls | s"
