"""Load installed plugins for listing, including broken ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from qubo_dnn.cli.common.output import print_json, print_table


@dataclass(frozen=True)
class Probe:
    """The outcome of loading one plugin.

    Attributes:
        name: the name it is registered under.
        origin: distribution and version that brings it.
        plugin: the backend instance or formulation class; None when it cannot be loaded.
        fault: why it cannot be used, one line; None when it can, as far as was looked.
        state: what it says of itself, None where it was not asked or has nothing to say.
    """

    name: str
    origin: str
    plugin: Any | None
    fault: str | None
    state: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the probe as plain data."""
        summary = None if self.plugin is None else self.plugin.summary
        about = {
            "name": self.name,
            "summary": summary,
            "origin": self.origin,
            "available": self.fault is None,
            "fault": self.fault,
        }
        return about if self.state is None else {**about, "state": self.state}


def probe(group: str, names: Iterable[str], load: Callable[[str], Any]) -> list[Probe]:
    """Try to load every plugin of an entry point group.

    Args:
        group: entry point group, for the origin.
        names: plugins to try.
        load: gets one plugin by name.
    """
    from qubo_dnn.registry import origin

    probes = []
    for name in names:
        try:
            plugin, fault = load(name), None
        except Exception as cause:  # a stranger's module may raise anything while it is imported
            plugin, fault = None, _line(cause)
        probes.append(Probe(name, origin(group, name), plugin, fault))
    return probes


def check_backend(found: Probe, live: bool) -> Probe:
    """Check a backend's requirements, see `qubo_dnn.backend.Checkable`, and return the completed probe."""
    from qubo_dnn.backend import Checkable

    if not isinstance(found.plugin, Checkable):
        return found
    try:
        return replace(found, state=found.plugin.check_ready(live))
    except Exception as cause:  # a stranger's backend may raise anything
        return replace(found, fault=_line(cause))


def _line(cause: Exception) -> str:
    return " ".join(str(cause).split()) or type(cause).__name__


def print_probes(probes: Iterable[Probe], as_json: bool) -> None:
    """Print plugins with their one-line summaries, or with the fault that prevents their use."""
    entries = [each.to_json() for each in probes]
    if as_json:
        print_json(entries)
        return
    rows = [(entry["name"], entry["summary"] or f"unavailable: {entry['fault']}", entry["origin"]) for entry in entries]
    print_table(("name", "summary", "from"), rows)
