"""Tables and charts of what a backend said of its run, common to pages about solutions and compressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qubo_dnn.pictures.picture import Picture, Series
from qubo_dnn.reports.charts import bars, chart
from qubo_dnn.reports.page import Chart, Table
from qubo_dnn.support.plain import plain

_CALLS = 200
_TRACE, _LADDER, _EXCHANGES, _PORTFOLIO = (
    *("energy over time", "the ladder of temperatures", "exchange rates"),
    "the share of each kind of search",
)


def backend_parts(info: Mapping[str, Any]) -> tuple[list[Table | Chart], dict[str, str]]:
    """Return what `info` of a sample set has data for, and what it has none for, with the reason.

    Of a problem in several components, the one that took longest is shown.

    Example:
        >>> trace = {"seconds": [0.0, 0.5], "sweeps": [1, 900], "energy": [-3.0, -4.0]}
        >>> parts, absent = backend_parts({"trace": trace, "seed": 7})
        >>> [part.title for part in parts[1:]], list(absent)
        (['Energy over time'], ['the ladder of temperatures', 'exchange rates', 'the share of each kind of search'])
    """
    info = plain(info)
    several = info.get("components") or ()
    caption = "Last call of the backend"
    if several:
        info = max(several, key=lambda each: each.get("seconds", 0.0))
        caption += f", the component of {len(several):,} that took longest"
    said = [(name, value) for name, value in info.items() if isinstance(value, bool | int | float | str)]
    parts: list[Table | Chart] = [Table(caption, said)] if said else []
    absent = {}
    for what, draw in (
        (_TRACE, _trace),
        (_LADDER, _ladder),
        (_EXCHANGES, _exchanges),
        (_PORTFOLIO, _portfolio),
    ):
        found = draw(info)
        parts += found
        if not found:
            absent[what] = "the backend reports none for this run"
    return parts, absent


def calls_parts(calls: Sequence[Mapping[str, Any]]) -> list[Table | Chart]:
    """Return the calls of the backend as a table, and several as a chart.

    Args:
        calls: for every call `objective` (None while nothing is feasible), `seconds`, and optionally `broken` and
            `penalties` or the like.

    Example:
        >>> len(calls_parts([{"objective": 3.0, "seconds": 0.1}, {"objective": 4.0, "seconds": 0.1}]))
        2
    """
    if not calls:
        return []
    rows = [
        (
            number,
            call["objective"],
            call["seconds"],
            len(call.get("broken") or ()),
            call.get("penalties") or None,
        )
        for number, call in enumerate(calls, 1)
    ]
    columns = ("call", "best objective so far", "seconds", "broken constraints", "penalties and multipliers")
    note = f"The first {_CALLS:,} of {len(rows):,} calls." if len(rows) > _CALLS else ""
    parts: list[Table | Chart] = [
        Table("Calls of the backend", rows[:_CALLS], columns, note=note, folded=len(rows) > 12)
    ]
    known = [(row[0], row[1]) for row in rows if row[1] is not None]
    if len(known) > 1:
        series = [Series("", [number for number, _ in known], [value for _, value in known], "steps")]
        parts.append(chart(Picture("calls", "Objective over the calls", "call", "best objective so far", series)))
    return parts


def _trace(info: Mapping[str, Any]) -> list[Table | Chart]:
    trace = info.get("trace") or {}
    seconds, sweeps, energies = (trace.get(name) or [] for name in ("seconds", "sweeps", "energy"))
    if not energies:
        return []
    texts = [f"{energy:.10g} after {done:,} sweeps" for done, energy in zip(sweeps, energies, strict=True)]
    series = [Series("", seconds, energies, "steps", texts=texts)]
    note = f"The best energy so far, from {energies[0]:.6g} to {energies[-1]:.6g} in {seconds[-1]:.3g} s."
    return [chart(Picture("trace", "Energy over time", "seconds", "best energy", series, note=note))]


def _ladder(info: Mapping[str, Any]) -> list[Table | Chart]:
    temperatures = info.get("temperatures") or []
    if len(temperatures) < 2:
        return []
    positive = all(value > 0 for value in temperatures)
    series = [Series("", list(range(1, len(temperatures) + 1)), temperatures, "points")]
    note = f"{len(temperatures)} temperatures, in the unit of the model."
    return [
        chart(Picture("ladder", "Ladder of temperatures", "place", "temperature", series, log_y=positive, note=note))
    ]


def _exchanges(info: Mapping[str, Any]) -> list[Table | Chart]:
    rates = info.get("exchange_acceptance") or []
    if not rates:
        return []
    series = [Series("", list(range(1, len(rates) + 1)), rates)]
    note = f"Neighbours exchange in {min(rates):.0%} to {max(rates):.0%} of the attempts; 1 is the coldest pair."
    title = "Exchange rates"
    return [chart(Picture("exchanges", title, "pair of neighbours", "share accepted", series, note=note))]


def _portfolio(info: Mapping[str, Any]) -> list[Table | Chart]:
    entries: Mapping[str, Mapping[str, Any]] = info.get("portfolio") or {}
    if not entries:
        return []
    gains = sum(each["gains"] for each in entries.values())
    shares = {
        "share of the moves": [each["share"] for each in entries.values()],
        "share of the improvements": [each["gains"] / gains if gains else 0.0 for each in entries.values()],
    }
    names = list(entries)
    found_by = info.get("found_by")
    note = f"The best state was found by {found_by}." if found_by else ""
    table = Table(
        "Sweeps and searches",
        [(name, each["calls"], each["moves"], each["gains"], each["gained"]) for name, each in entries.items()],
        ("kind", "calls", "moves tried", "improvements", "energy gained"),
    )
    return [table, bars("portfolio", "Kinds of search", "share", names, shares, note=note)]
