"""The page of a run, made from its JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.removal.methods import OURS
from bench.removal.results import RemovalResults, RemovalRow
from bench.tables import Table, grouped, with_range

PICTURE = "accuracy"


def page(results: RemovalResults, about: str, remarks: str) -> str:
    """As Markdown.

    Args:
        results: at least one row.
        about: what the benchmark is and how it is run, in Markdown.
        remarks: on these results, in Markdown; may be empty.
    """
    seeds = ", ".join(map(str, sorted({row.seed for row in results.rows})))
    percents = sorted({row.percent for row in results.rows}, reverse=True)
    parts = [
        "# Removal of channels alone",
        about.strip(),
        f"The network as given: {results.accuracy:.2%}. Seeds: {seeds}.",
        "\n".join(f"- {line}" for percent in percents for line in verdicts(results, percent)),
        remarks.strip(),
        f"![Accuracy over multiply-accumulates]({PICTURE}.png)",
    ]
    for percent in percents:
        parts += [f"## {percent:g} % of the multiply-accumulates", table(results, percent)]
    if any(row.latency for row in results.rows):
        parts += ["## Latency", latencies(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def by_method(results: RemovalResults, percent: float) -> dict[str, list[RemovalRow]]:
    """Method -> its rows of all seeds."""
    own = [row for row in results.rows if row.percent == percent]
    return {method: same for (method,), same in grouped(own, "method").items()}


def mean(same: Sequence[RemovalRow]) -> float:
    """Mean accuracy, in percent."""
    return 100 * statistics.fmean(row.accuracy for row in same)


def verdicts(results: RemovalResults, percent: float) -> list[str]:
    """A sentence, if there is something to compare: where ours stands among the methods, by mean accuracy."""
    groups = by_method(results, percent)
    means = {method: mean(same) for method, same in groups.items()}
    if OURS not in means or len(means) == 1:
        return []
    mine = means.pop(OURS)
    best = max(means, key=means.__getitem__)
    ahead = [method for method, each in means.items() if each > mine]
    place = f"{len(ahead)} of {len(means)} methods are ahead of `{OURS}`" if ahead else f"`{OURS}` is ahead of all"
    return [f"At {percent:g} %, {place}: {mine:.2f} %, and the best other, `{best}`, {means[best]:.2f} %."]


def table(results: RemovalResults, percent: float) -> str:
    """A line for each method, over the seeds; the best mean accuracy in bold."""
    groups = by_method(results, percent)
    best = max(map(mean, groups.values()))
    return Table(_HEADINGS, lambda same: _cells(same, best=mean(same) == best)).markdown(groups.values())


def _cells(same: Sequence[RemovalRow], *, best: bool) -> tuple[str, ...]:
    accuracy = with_range([100 * row.accuracy for row in same], ".2f")
    return (
        same[0].method,
        f"{len(same)}",
        f"**{accuracy}**" if best else accuracy,
        with_range([row.divergence for row in same], ".3f"),
        f"{100 * statistics.fmean(row.macs for row in same):.1f}",
        ", ".join(map(str, same[0].kept)),
        f"{statistics.fmean(row.seconds for row in same):.0f}",
    )


def latencies(results: RemovalResults) -> str:
    """A line for each row that was timed."""
    timed = [row for row in results.rows if row.latency]
    headings = ["method", "% of the MACs", *(f"{name}: ms (of the given)" for name in timed[0].latency)]
    return Table(
        " | ".join(headings),
        lambda row: (
            *(row.method, f"{row.percent:g}"),
            *(f"{after:.2f} ({after / before:.2f})" for before, after in row.latency.values()),
        ),
    ).markdown(sorted(timed, key=lambda row: -row.percent))


_HEADINGS = "method | seeds | accuracy, % | divergence, nats | measured MACs, % | channels per group | CPU, s"
