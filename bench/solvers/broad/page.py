"""The page of the broad comparison, made from its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.solvers.broad.figures import (
    BEHIND,
    EQUAL,
    SHIFT,
    WORST,
    Gaps,
    Score,
    behind,
    best_peer,
    bests,
    gaps,
    moments,
    scores,
    shifted_mean,
)
from bench.solvers.broad.results import BroadInstance, BroadResults
from bench.solvers.instance import BestKnown
from bench.solvers.peers.pt import NAME as PT
from bench.tables import Table, header, line

PICTURE = "families"


def page(results: BroadResults, about: str, remarks: str) -> str:
    """As Markdown.

    Args:
        results: at least one run.
        about: what the benchmark is and how it is run, in Markdown.
        remarks: on these results, in Markdown; may be empty.
    """
    seeds = sorted({run.seed for run in results.runs})
    parts = [
        "# The broad comparison",
        about.strip(),
        f"{results.seconds:g} CPU seconds a run, seeds {', '.join(map(str, seeds))}; "
        f"{', '.join(f'{name} {value}' for name, value in results.setting.items())}.",
        "\n".join(f"- {text}" for text in verdicts(results)),
        remarks.strip(),
        f"![Mean gap over CPU seconds, family by family]({PICTURE}.png)",
        "## All instances of the table",
        f"Gaps are in % of the optimum or, where none is known, of the best value of all runs, means over the seeds; "
        f"those above {WORST:g} %, and runs without a feasible answer, count as {WORST:g} %. A mean over instances is "
        f"geometric, of gaps shifted by {SHIFT:g} %. Solvers do not all run on all instances: `{PT}` is given on those "
        "of each solver, too. Ranks are among those that ran on an instance, and a solver is among the best there if "
        f"none is better after {results.seconds:g} s. Infeasible are runs without an answer to the end.",
        overall(results, table_names(results)),
        "## Families",
        f"Mean gaps in % {_after(results)}, the least at the end in bold; behind them, at the end, the mean rank, and "
        "on how many instances no other solver is better.",
        families(results, table_names(results)),
        "## Instances",
        instances(results, table_names(results)),
    ]
    if tuning := names(results, lambda each: each.use == "tuning"):
        parts += [
            "## Instances of tuning",
            "Defaults of `pt` were chosen on these, or its changes were judged by them; none is in a figure above.",
            overall(results, tuning),
            instances(results, tuning),
        ]
    parts.append("## Solvers")
    for kind, settings in results.solvers.items():
        parts.append(f"{kind}:")
        parts.append("\n".join(f"- {name}: {text}." for name, text in settings.items()))
    if results.missing:
        parts.append("\n".join(f"- {name}: left out; {why}." for name, why in results.missing.items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def names(results: BroadResults, wanted: Callable[[BroadInstance], bool]) -> list[str]:
    """The instances of a kind that have a run."""
    ran = {run.instance for run in results.runs}
    return [name for name, each in results.instances.items() if name in ran and wanted(each)]


def table_names(results: BroadResults) -> list[str]:
    """The instances that count."""
    return names(results, lambda each: each.use == "table")


def verdicts(results: BroadResults) -> list[str]:
    """Sentences: whether `pt` has the best mean, and every instance where it is behind."""
    return list(_verdicts(results))


def _verdicts(results: BroadResults) -> Iterator[str]:
    counted = table_names(results)
    for seconds in moments(results):
        found = {name: each for name, each in gaps(results, seconds, counted).items() if behind(each) is not None}
        if not found:
            continue
        others = [score for score in scores(found).values() if score.solver != PT and score.ours is not None]
        better = [f"{each.solver} ({each.mean:.3f} against {each.ours:.3f} %)" for each in others if _beats(each)]
        best = shifted_mean([best[1] for each in found.values() if (best := best_peer(each)) is not None])
        yield (
            f"After {seconds:g} s, on {len(found)} instances, the mean gap of `{PT}` is "
            f"{shifted_mean([each[PT] for each in found.values()]):.3f} %, that of the best of the others on each "
            f"{best:.3f} %; "
            + (
                f"better on their instances: {', '.join(better)}."
                if better
                else "no solver is better on its instances."
            )
        )
        exceptions = _exceptions(found)
        yield f"More than {BEHIND:g} point behind after {seconds:g} s: {', '.join(exceptions) or 'nowhere'}."


def _beats(score: Score) -> bool:
    return score.ours is not None and score.mean < score.ours


def _exceptions(found: Gaps) -> list[str]:
    late = []
    for name, each in found.items():
        by, best = behind(each), best_peer(each)
        if by is not None and best is not None and by > BEHIND:
            late.append(f"{name} ({each[PT]:.2f} %, {best[0]} {best[1]:.2f} %)")
    return late


def overall(results: BroadResults, counted: Sequence[str]) -> str:
    """A line for every solver, on the instances that it ran on."""
    every = [scores(gaps(results, seconds, counted)) for seconds in moments(results)]
    after = _after(results)
    headings = (
        f"solver | instances | mean gap, % {after} | `{PT}` on the same | mean rank {after} | best on | infeasible"
    )
    lines = [header(headings.split(" | "))]
    for solver, last in every[-1].items():
        of_moments = [each[solver] for each in every]
        ours = "" if solver == PT else _joined(each.ours for each in of_moments)
        means, places = _joined(each.mean for each in of_moments), _joined((each.rank for each in of_moments), ".1f")
        own = [run for run in results.runs if run.solver == solver and run.instance in counted]
        none = f"{sum(not run.trace for run in own)} of {len(own)}"
        lines.append(line((solver, str(last.instances), means, ours, places, str(last.best), none)))
    return "\n".join(lines)


def _after(results: BroadResults) -> str:
    return f"after {' / '.join(f'{seconds:g}' for seconds in moments(results))} s"


def _joined(values: Iterator[float | None], form: str = ".3f") -> str:
    return " / ".join("" if value is None else f"{value:{form}}" for value in values)


def families(results: BroadResults, counted: Sequence[str]) -> str:
    """A line for every family, a column for every solver."""
    own: dict[str, list[str]] = {}
    for name in counted:
        own.setdefault(results.instances[name].about.family, []).append(name)
    of_moments = [gaps(results, seconds, counted) for seconds in moments(results)]
    solvers = list(scores(of_moments[-1]))
    lines = [header(["family", "instances", *solvers])]
    for family, members in own.items():
        every = [scores({name: each[name] for name in members if name in each}) for each in of_moments]
        least = min((score.mean for score in every[-1].values()), default=0.0)
        cells = []
        for solver in solvers:
            of_solver = [each[solver] for each in every if solver in each]
            cell = " / ".join(f"{score.mean:.2f}" for score in of_solver)
            if of_solver and of_solver[-1].mean <= least + EQUAL:
                cell = f"**{cell}**"
            cells.append(f"{cell} ({of_solver[-1].rank:.1f}, {of_solver[-1].best})" if of_solver else "")
        lines.append(line([family, str(len(members)), *cells]))
    return "\n".join(lines)


def instances(results: BroadResults, counted: Sequence[str]) -> str:
    """A line for every instance: `pt` and the best of the others."""
    of_moments, best = [gaps(results, seconds, counted) for seconds in moments(results)], bests(results)
    headings = (
        f"instance | family | variables | interactions | best value | which is | `{PT}`, % {_after(results)} | "
        f"best of the others, % | which | behind"
    )

    def cells(name: str) -> tuple[str, ...]:
        about, value = results.instances[name].about, best[name]
        each = [found[name] for found in of_moments]
        others, by = [best_peer(one) for one in each], behind(each[-1])
        return (
            name,
            about.family,
            f"{about.variables:,}",
            f"{about.interactions:,}",
            _value(value),
            value.source,
            _joined((one.get(PT) for one in each), ".2f"),
            _joined((other and other[1] for other in others), ".2f"),
            others[-1][0] if others[-1] else "",
            f"{by:.2f}" if by is not None and by > BEHIND else "",
        )

    return Table(headings, cells).markdown(name for name in counted if name in best)


def _value(best: BestKnown) -> str:
    return f"{best.value:,g}" if abs(best.value) < 1e6 else f"{best.value:,.0f}"
