"""The page of a run, made from its JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from bench.networks.comparison.page import NETWORKS
from bench.objectives.pairing import CONFIDENCE, Ratio, ratio
from bench.objectives.results import ObjectiveResults, ObjectiveRow
from bench.objectives.settings import CHOSEN, OBJECTIVES, PAIRS, SEPARABLE, SETTINGS
from bench.tables import Table, grouped, header, line, with_range

PICTURE = "ratios"


def page(results: ObjectiveResults, about: str, remarks: str) -> str:
    """As Markdown.

    Args:
        results: at least one row.
        about: what the benchmark is and how it is run, in Markdown.
        remarks: on these results, in Markdown; may be empty.
    """
    parts = [
        "# Where pairs pay",
        about.strip(),
        "\n".join(f"- {text}" for text in verdicts(results)),
        remarks.strip(),
        f"![Divergence beside that of the separable objective]({PICTURE}.png)",
        f"## `{PAIRS}` beside `{SEPARABLE}`",
        _NOTE,
        comparison(results, PAIRS, SEPARABLE),
        f"## `{CHOSEN}` beside `{SEPARABLE}`",
        comparison(results, CHOSEN, SEPARABLE),
        f"## `{CHOSEN}` beside `{PAIRS}`",
        comparison(results, CHOSEN, PAIRS),
        "## Networks and their inputs",
        NETWORKS.markdown(results.networks.values()),
    ]
    for name, network in results.networks.items():
        own = [row for row in results.rows if row.network == name]
        if own:
            metric = f"The metric: {network.metric_name}; {100 * network.metric:.1f} % before compression."
            parts += [f"## {name}", metric, table(own, settings_of(results))]
    if results.refusals:
        parts.append("## Left out")
        parts.append("\n".join(f"- {each.network}, {each.setting}: {each.reason}" for each in results.refusals))
    return "\n\n".join(part for part in parts if part) + "\n"


def ratios(results: ObjectiveResults, one: str, other: str) -> dict[tuple[str, str], Ratio]:
    """(network, setting) -> ratio of the divergences of two objectives, where both have been run."""
    groups = grouped(results.rows, "network", "setting", "objective")
    found = {}
    for network in results.networks:
        for setting in settings_of(results):
            rows = (groups.get((network, setting, objective), []) for objective in (one, other))
            if (each := ratio(*rows)) is not None:
                found[network, setting] = each
    return found


def settings_of(results: ObjectiveResults) -> list[str]:
    """The settings that have rows, in their order."""
    there = {row.setting for row in results.rows}
    return [name for name in SETTINGS if name in there]


def compared_settings(results: ObjectiveResults) -> list[str]:
    """Those in which several objectives are run."""
    return [name for name in settings_of(results) if len(SETTINGS[name].objectives) > 1]


def verdicts(results: ObjectiveResults) -> list[str]:
    """Sentences: how often an objective is clearly better than another."""
    return list(_verdicts(results))


def _verdicts(results: ObjectiveResults) -> Iterator[str]:
    for one, other in ((PAIRS, SEPARABLE), (CHOSEN, SEPARABLE), (CHOSEN, PAIRS)):
        every = ratios(results, one, other)
        known = {place: each for place, each in every.items() if each.seeds > 1 or each.low == each.high}
        if not every:
            continue
        less = [place for place, each in known.items() if each.clear and each.mean < 1]
        more = [place for place, each in known.items() if each.clear and each.mean > 1]
        same = [place for place, each in known.items() if each.low == each.high == 1.0]
        yield (
            f"`{one}` diverges clearly less than `{other}` in {len(less)} of {len(every)} cases, each a network at a "
            f"setting{_listed(every, less)}, clearly more in {len(more)}{_listed(every, more)}; the same in "
            f"{len(same)}, and in {len(every) - len(less) - len(more) - len(same)} the seeds do not tell."
        )


def _listed(every: dict[tuple[str, str], Ratio], places: Sequence[tuple[str, str]]) -> str:
    found = [f"{network} at {setting}, {every[network, setting].mean:.2f} times" for network, setting in places]
    return f" ({'; '.join(found)})" if found else ""


def comparison(results: ObjectiveResults, one: str, other: str) -> str:
    """A table of ratios: a line for each network, a column for each setting."""
    every, settings = ratios(results, one, other), compared_settings(results)
    refused = {(each.network, each.setting) for each in results.refusals}
    lines = [header(["network", *settings])]
    for name in results.networks:
        cells = (
            str(every.get((name, setting), "refused" if (name, setting) in refused else "")) for setting in settings
        )
        lines.append(line([name, *cells]))
    return "\n".join(lines)


def table(rows: Sequence[ObjectiveRow], settings: Sequence[str]) -> str:
    """A line for each setting and objective of a network, over the seeds; the least mean divergence in bold."""
    ordered = sorted(rows, key=lambda row: (settings.index(row.setting), list(OBJECTIVES).index(row.objective)))
    groups = list(grouped(ordered, "setting", "objective").values())
    least = {
        same[0].setting: min(_mean(other) for other in groups if other[0].setting == same[0].setting) for same in groups
    }
    return Table(_HEADINGS, lambda same: _cells(same, best=_mean(same) == least[same[0].setting])).markdown(groups)


def _mean(same: Sequence[ObjectiveRow]) -> float:
    return statistics.fmean(row.divergence for row in same)


def _cells(same: Sequence[ObjectiveRow], *, best: bool) -> tuple[str, ...]:
    divergence = with_range([row.divergence for row in same], ".3g")
    return (
        same[0].setting,
        same[0].objective,
        f"{len(same)}",
        f"{statistics.fmean(row.stored_bits for row in same):.3f}",
        f"{statistics.fmean(100 * row.macs for row in same):.1f}",
        _bops(same),
        f"**{divergence}**" if best else divergence,
        with_range([100 * row.metric for row in same], ".1f"),
        f"{statistics.fmean(row.seconds for row in same):.0f}",
        _taken(same),
    )


def _bops(same: Sequence[ObjectiveRow]) -> str:
    known = [100 * row.bops for row in same if row.bops is not None]
    return f"{statistics.fmean(known):.2f}" if known else ""


def _taken(same: Sequence[ObjectiveRow]) -> str:
    """In how many of the seeds a plan of pairs was taken in some round."""
    paired = sum(any(round_.get("objective") != SEPARABLE for round_ in row.chosen) for row in same)
    return f"{paired} of {len(same)}"


_HEADINGS = (
    "setting | objective | seeds | stored bits | MACs, % | BOPs, % | divergence | metric, % | CPU, s | with pairs"
)
_NOTE = (
    f"Ratio of the divergences on test inputs, below 1 where the first diverges less: geometric mean over the seeds, "
    f"with its {100 * CONFIDENCE:.0f} % confidence interval (Student's t on the logarithms, paired by seeds), in bold "
    "where this leaves out 1. So many intervals leave out 1 by chance now and then."
)
