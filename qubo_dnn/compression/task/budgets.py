"""Budgets: limits on the cost of a compressed network, as text and as constraints. Needs no torch.

`qubo_dnn.compression.task.budget_costs` converts a parsed budget to a constraint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.compression.task.cost_products import CostProduct
from qubo_dnn.errors import BudgetError, OptionError

Kind = Literal[
    "bits", "fraction", "bytes", "bops", "bops-fraction", "macs", "macs-fraction", "table", "table-fraction", "formats"
]
Costs = NDArray[np.int64] | NDArray[np.float64]

SIZE, BOPS, MACS = "size", "bops", "macs"
"""Names of the budgets of stored size, bit operations and multiply-accumulates; every other name is that of a table."""
FORMATS = "formats"
"""Name and kind of the limit that excludes formats, which no user writes; see `formats_limit`."""

_POWERS = {"k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3, "": 1}
_NUMBER = r"(\d+\.?\d*|\.\d+)"
_SIZE = re.compile(_NUMBER + r"\s*(bits?|%|([kmg]i?)?b)(\s*:\s*weights)?", re.ASCII | re.IGNORECASE)
_OPERATIONS = re.compile(_NUMBER + r"\s*(%|([kmgt])?)\s*(bops|macs)", re.ASCII | re.IGNORECASE)
_TABLE = re.compile(r"([a-z_][\w-]*)\s*=\s*((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,2})?)\s*(%?)", re.ASCII | re.IGNORECASE)
_FORMS = (
    "3bits (average per number of the network), 25% (of the float32 file), 200KB (bytes of the file; also B, MB, GB, "
    "KiB, MiB, GiB), these with :weights (only of the weights that can be compressed), "
    "40%bops (of the float32 bit operations), 1.2GBOPs (also K, M, T), 60%macs (of the multiply-accumulates, without "
    "removed channels), 1.2GMACs, NAME=AMOUNT or NAME=P% (of a cost table)"
)


@dataclass(frozen=True)
class Budget:
    """A limit as written by the user, before the network is known.

    Attributes:
        name: "size", "bops", "macs" or the name of a table; the budgets of a network have different names.
        kind: "bits" (stored, average), "fraction" (of the float32 size), "bytes" (stored), "bops" (bit
            operations for one input), "bops-fraction" (of those at 32-bit weights and activations), "macs"
            (multiply-accumulates for one input), "macs-fraction" (of those of the given network), "table" (in the
            unit of a table), "table-fraction" (of the most expensive uniform assignment) or "formats" (units in
            excluded formats).
        limit: the amount, > 0, in the unit of `kind`; fractions are 1 at 100 %.
        text: the budget as written.
        whole: True if a budget of stored size covers the whole file, False if it covers the weights that can be
            compressed.

    Example:
        >>> budget = parse_budget("40%bops")
        >>> budget.name, budget.kind, float(budget.limit)
        ('bops', 'bops-fraction', 0.4)
    """

    name: str
    kind: Kind
    limit: Fraction
    text: str
    whole: bool = True


def parse_budget(text: str) -> Budget:
    """Parse a budget.

    Args:
        text: "3bits", "25%" and "200KB" limit the size of the whole file: the average per number of the network without
            the header of the file, the share of the float32 file, and the bytes, both with the header. What is not
            compressed counts. With ":weights", they limit the stored size of the weights of layers that can be
            compressed: scales, offsets, masks and width codes count, other parameters (biases, BatchNorm, embeddings)
            do not. KB is 1000 bytes, KiB 1024. "40%bops"
            and "1.2GBOPs" limit the bit operations of the compressible layers. "60%macs" and "1.2GMACs" limit the
            multiply-accumulates of the network without the channels that are removed. "latency=3.5" and "latency=60%"
            limit the cost in the table of that name.

    Raises:
        OptionError: the text has none of these forms, the limit is zero, or a table has the name of another budget.

    Example:
        >>> budget = parse_budget("200KB")
        >>> budget.kind, int(budget.limit)
        ('bytes', 200000)
    """
    stripped = text.strip()
    found: Budget | None = None
    if match := _SIZE.fullmatch(stripped):
        amount, unit, whole = Fraction(match[1]), match[2].lower(), not match[4]
        if unit.startswith("bit"):
            found = Budget(SIZE, "bits", amount, text, whole)
        elif unit == "%":
            found = Budget(SIZE, "fraction", amount / 100, text, whole)
        else:
            found = Budget(SIZE, "bytes", amount * _POWERS[(match[3] or "").lower()], text, whole)
    elif match := _OPERATIONS.fullmatch(stripped):
        amount, percent, bops = Fraction(match[1]), match[2] == "%", match[4].lower() == BOPS
        amount *= Fraction(1, 100) if percent else _POWERS[match[2].lower()]
        if bops:
            found = Budget(BOPS, "bops-fraction" if percent else "bops", amount, text)
        else:
            found = Budget(MACS, "macs-fraction" if percent else "macs", amount, text)
    elif match := _TABLE.fullmatch(stripped):
        if match[1].lower() in (SIZE, BOPS, MACS, FORMATS):
            raise OptionError(f"budget {text!r}: {match[1]!r} cannot be the name of a table; write one of {_FORMS}")
        amount = Fraction(match[2])
        found = Budget(match[1], *(("table-fraction", amount / 100) if match[3] else ("table", amount)), text)
    if found is None or not found.limit:
        raise OptionError(f"budget {text!r} is not a positive amount in one of the forms {_FORMS}")
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskBudget:
    """A budget of a known network: `overhead + sum over u of cost[u, option of u] + sum of the products <= limit`.

    Attributes:
        name, kind, text: as in `Budget`.
        cost: [U, K] cost of a unit or decision at an option: stored bits (int64), bit operations, multiply-accumulates,
            or the table's unit (float64).
        overhead: constant cost, the same for every choice, in the unit of `cost`.
        limit: largest total allowed, overhead included; an integer if `cost` holds integers.
        scale: divisor from the unit of `cost` to the unit of `kind`, used by `amount`.
        unit: the unit of `kind` in words; fractions are "of" something.
        products: further costs, of layers that lose inputs as well as outputs, or read activations of several widths.
            The options of a unit have the same order in all of them, and in `cost`.

    Example:
        >>> names, cost = {"name": "latency", "kind": "table", "text": "latency=3"}, np.array([[1.0, 2.0], [1.0, 2.0]])
        >>> budget = TaskBudget(**names, cost=cost, overhead=0.0, limit=3.0, scale=1.0, unit="ms")
        >>> choice = np.array([0, 1])  # unit 0 at option 0, unit 1 at option 1
        >>> budget.used(choice), budget.met(choice)
        (3.0, True)
    """

    name: str
    kind: Kind
    text: str
    cost: Costs
    overhead: float
    limit: float
    scale: float
    unit: str
    products: tuple[CostProduct, ...] = ()

    def used(self, choice: NDArray[np.intp]) -> float:
        """Return the total cost, overhead included, if unit u takes the option `choice[u]`."""
        linear = self.overhead + float(self.cost[np.arange(len(choice)), choice].sum())
        return linear + sum(product.value(choice) for product in self.products)

    @property
    def greatest(self) -> float:
        """The largest total that counts as within the limit, with the relative tolerance 1e-9 of `Constraint`."""
        return self.limit + 1e-9 * max(1.0, abs(self.limit))

    def met(self, choice: NDArray[np.intp]) -> bool:
        """Return whether a choice keeps the limit; see `greatest`."""
        return self.used(choice) <= self.greatest

    def amount(self, value: float) -> float:
        """Convert a value such as `limit` from the unit of `cost` to that of `kind`; fractions are 1 at 100 %."""
        return value / self.scale

    def words(self, value: float) -> str:
        """Describe a value in the unit of `cost`, such as `limit`, in words."""
        if self.kind in ("bytes", "macs"):
            return f"{self.amount(value):,.0f} {self.unit}"
        percent = self.kind.endswith("fraction")
        return f"{self.amount(value) * (100.0 if percent else 1.0):.4g}{' %' if percent else ''} {self.unit}"

    def tied(self, decision: NDArray[np.intp]) -> Self:
        """Return the budget over decisions that each give one option to several units.

        Args:
            decision: [U] index of the decision of every unit, 0 to D - 1.

        Returns:
            The same budget with `cost` [D, K], and its products over the decisions.
        """
        shape = (int(decision.max(initial=-1)) + 1, self.cost.shape[1])
        cost = cast(Costs, np.zeros(shape, self.cost.dtype))
        np.add.at(cost, decision, self.cost)
        return replace(self, cost=cost, products=tuple(product.tied(decision) for product in self.products))

    def with_units(self, count: int) -> Self:
        """Return the budget with further units behind the others, which cost nothing."""
        cost = cast(Costs, np.vstack([self.cost, np.zeros((count, self.cost.shape[1]), self.cost.dtype)]))
        return replace(self, cost=cost)

    def check_reachable(self, allowed: NDArray[np.bool_] | None = None) -> None:
        """Refuse a limit that no choice meets.

        Args:
            allowed: [U, K] True for options that may be taken, at least one per row; None: all may.

        Raises:
            BudgetError: no choice meets the limit; the message states the reachable range.
        """
        if self.kind == FORMATS:
            return  # `formats_limit` has checked it: its options have no order
        usable = np.ones(self.cost.shape, bool) if allowed is None else allowed
        # What lowers one product raises no other one, so that the options can be compared one by one.
        alone = self.cost + sum(product.slopes(self.cost.shape) for product in self.products)
        cheapest = np.argmin(np.where(usable, alone, np.inf), axis=1)
        dearest = np.argmax(np.where(usable, alone, -np.inf), axis=1)
        if not self.met(cheapest):
            raise BudgetError(
                f"the budget {self.text} cannot be met with these options: they reach "
                f"{self.words(self.used(cheapest))} to {self.words(self.used(dearest))}"
            )


def check_names(budgets: Sequence[Budget]) -> None:
    """Refuse an empty list of budgets and two budgets of the same name.

    Raises:
        OptionError: the list is empty, or two budgets limit the same quantity; the message names both.

    Example:
        >>> check_names([parse_budget("3bits"), parse_budget("40%bops")])
        >>> check_names([parse_budget("3bits"), parse_budget("25%")])
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OptionError: the budgets 3bits and 25% both limit size; give one of them
    """
    if not budgets:
        raise OptionError(f"at least one budget is needed, in one of the forms {_FORMS}")
    first: dict[str, Budget] = {}
    for budget in budgets:
        if (other := first.setdefault(budget.name, budget)) is not budget:
            raise OptionError(f"the budgets {other.text} and {budget.text} both limit {budget.name}; give one of them")
