"""What is compared: objectives, and the settings that they are compared in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEPARABLE, PAIRS, CHOSEN = "separable", "pairs", "chosen"
OBJECTIVES: dict[str, dict[str, Any]] = {
    SEPARABLE: {"objective": "separable"},
    PAIRS: {"objective": "gauss-newton", "shrinkage": 0.7},
    CHOSEN: {},
}
"""Parameters of the formulation; none lets `compress` choose, as it does by default."""


@dataclass(frozen=True)
class Setting:
    """A budget with the options that are to keep it.

    Attributes:
        name: in tables.
        budget: of `compress`.
        options: of every unit, as a text; None for the default ones.
        arguments: further ones of `compress`; without a granularity, networks have their own.
        objectives: that are run; one is enough where there is nothing to choose.
    """

    name: str
    budget: str
    options: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    objectives: tuple[str, ...] = tuple(OBJECTIVES)

    def given(self, granularity: str) -> dict[str, Any]:
        """All arguments of `compress` but the budget.

        Args:
            granularity: of the network.

        Example:
            >>> SETTINGS["60 % of MACs"].given("channel")
            {'granularity': 'auto', 'options': '0,32'}
        """
        options = {} if self.options is None else {"options": self.options}
        return {"granularity": granularity, **self.arguments, **options}


# Removal takes the granularity of budgets of multiply-accumulates, which is that of whole channels.
_REMOVAL: dict[str, Any] = {"options": "0,32", "arguments": {"granularity": "auto"}}

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("3 bits", "3bits:weights"),
        Setting("2.5 bits", "2.5bits:weights"),
        Setting("2 bits", "2bits:weights"),
        Setting("60 % of MACs", "60%macs", **_REMOVAL),
        Setting("45 % of MACs", "45%macs", **_REMOVAL),
        Setting("75 % of MACs", "75%macs", **_REMOVAL),
        # Bit operations of weights of 4 bits and activations of 8 or 4, of 32 x 32.
        Setting("W4A8", "3.125%bops", arguments={"activations": "4,6,8"}),
        Setting("W4A4", "1.5625%bops", arguments={"activations": "3,4,6,8"}),
        Setting("uniform W4A8", "3.125%bops", options="4a8", objectives=(SEPARABLE,)),
        Setting("uniform W4A4", "1.5625%bops", options="4a4", objectives=(SEPARABLE,)),
    )
}
"""In the order of the runs. A setting more is a line more."""
