"""Several budgets of one quantity, as ranges and lists. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from qubo_dnn.compression.task.budgets import Budget, parse_budget
from qubo_dnn.errors import OptionError

MOST_BUDGETS = 1000
_WEIGHTS = "weights"
_AMOUNT = re.compile(r"((?:[a-z_][\w-]*\s*=)?)\s*(\d+\.?\d*|\.\d+)(.*)", re.ASCII | re.IGNORECASE)
_FORM = "FIRST:LAST:STEP, such as 2bits:4bits:0.25bits, 200KB:1MB:100KB or latency=40%:80%:5%"


def parse_budgets(texts: str | Iterable[str]) -> tuple[Budget, ...]:
    """Parse budgets of one quantity: single ones and ranges, separated by commas.

    Args:
        texts: "2bits,3bits,100KB"; or ranges FIRST:LAST:STEP, which begin at FIRST and end at LAST or just below it:
            "2bits:4bits:0.25bits", "2bits:4bits:0.5bits:weights", "40%bops:80%bops:10%bops", "latency=40%:80%:5%"; or
            several such texts. See `qubo_dnn.compression.task.budgets.parse_budget` for their forms. The three amounts
            of a range have the same kind of unit, and those of a table name it once.

    Returns:
        Budgets that differ in kind or limit, in the order in which they are written.

    Raises:
        OptionError: a text has none of these forms, a range is empty or endless, there are more than 1000 budgets, none
            at all, or they limit different quantities.

    Example:
        >>> [budget.text for budget in parse_budgets("2bits:3bits:0.25bits,100KB")]
        ['2bits', '2.25bits', '2.5bits', '2.75bits', '3bits', '100KB']
    """
    pieces = [piece for text in ([texts] if isinstance(texts, str) else texts) for piece in text.split(",")]
    found: dict[tuple[object, ...], Budget] = {}
    for piece in pieces:
        for budget in _range(piece):
            found.setdefault((budget.name, budget.kind, budget.limit, budget.whole), budget)
            if len(found) > MOST_BUDGETS:
                raise OptionError(f"{piece!r} makes more than {MOST_BUDGETS:,} budgets")
    if not found:
        raise OptionError("no budgets are given")
    first, *others = found.values()
    if different := [each for each in others if each.name != first.name]:
        raise OptionError(
            f"the budgets {first.text} and {different[0].text} limit different quantities, {first.name} and "
            f"{different[0].name}: give budgets of one of them, and the other one as a budget that all points keep"
        )
    return tuple(found.values())


def _range(text: str) -> Iterable[Budget]:
    """Generate the budgets of one piece between commas."""
    parts = [part.strip() for part in text.split(":")]
    suffix = f":{parts.pop()}" if len(parts) > 1 and parts[-1].lower() == _WEIGHTS else ""
    if len(parts) == 1:
        yield parse_budget(parts[0] + suffix)
        return
    if len(parts) != 3:
        raise OptionError(f"{text!r} is not a range {_FORM}")
    name = match[1] if (match := _AMOUNT.fullmatch(parts[0])) else ""
    ends = [parse_budget((part if "=" in part else name + part) + suffix) for part in parts]
    yield from _between(text, ends, parts[0], suffix)


def _between(text: str, ends: Sequence[Budget], written: str, suffix: str) -> Iterable[Budget]:
    """Generate the budgets from the first to the last in steps, written in the unit of the first."""
    first, last, step = ends
    if len({(each.name, each.kind) for each in ends}) > 1:
        raise OptionError(f"the amounts of {text!r} have units of different kinds; a range is {_FORM}")
    if first.limit > last.limit:
        raise OptionError(f"the range {text!r} is empty: it begins above its end")
    match = _AMOUNT.fullmatch(written)
    assert match is not None  # it has been parsed as a budget
    name, number, unit = match.groups()
    scale = first.limit / Fraction(number)
    count = int((last.limit - first.limit) / step.limit) + 1
    if count > MOST_BUDGETS:
        raise OptionError(f"{text!r} makes more than {MOST_BUDGETS:,} budgets")
    for index in range(count):
        limit = first.limit + index * step.limit
        amount = np.format_float_positional(float(limit / scale), trim="-")
        yield replace(first, limit=limit, text=f"{name}{amount}{unit}{suffix}")
