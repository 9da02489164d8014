"""`qubo-dnn doctor`: what is installed, and what is missing."""

from __future__ import annotations

import platform
import re
import sys
from typing import Annotated, Any

import typer

from qubo_dnn.cli.common.output import AsJson, print_json, print_table

_MARKER = "extra == "


def doctor(
    live: Annotated[bool, typer.Option("--live", help="Also contact the services, with your credentials.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the versions of Python and of the packages in use, what is missing, and the state of the backends."""
    from qubo_dnn.cli.backends import examine_backends, probed

    python = {"python": platform.python_version(), "platform": platform.platform(), "executable": sys.executable}
    if as_json:
        backends = [each.to_json() for each in probed(live)]
        print_json({**python, "packages": packages(), "backends": backends})
        return
    print_table(("environment", ""), list(python.items()))
    typer.echo()
    print_table(
        ("package", "version", "needed for"), [(each["name"], each["version"], each["for"]) for each in packages()]
    )
    typer.echo()
    examine_backends(live)


def packages() -> list[dict[str, Any]]:
    """Return the packages that this distribution uses: name, installed version or None, and the extras that need it."""
    from importlib.metadata import PackageNotFoundError, distribution, version

    needed: dict[str, list[str]] = {}
    for text in distribution("qubo-dnn").requires or ():
        extra = text.partition(_MARKER)[2].strip("\"'")
        if extra in ("dev", "bench", "all"):
            continue
        needed.setdefault(re.split(r"[^\w.-]", text)[0], []).append(extra or "qubo-dnn")
    found = []
    for name in sorted(needed):
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = None
        found.append({"name": name, "version": installed, "for": ", ".join(sorted(set(needed[name])))})
    return found
