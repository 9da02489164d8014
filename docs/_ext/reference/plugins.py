"""Pages of the backends and formulations that ship."""

from __future__ import annotations

import inspect
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from qubo_dnn.backend import Capabilities
from qubo_dnn.cli.backends import describe_capabilities, describe_options
from qubo_dnn.cli.formulations import describe_parameters
from qubo_dnn.registry import BACKENDS, FORMULATIONS, get_backend, get_formulation
from reference.docstrings import entries, markdown, prose, sections


def shipped(group: str) -> list[str]:
    """Names of the plugins of this distribution, in alphabetical order."""
    return sorted(point.name for point in distribution("qubo-dnn").entry_points.select(group=group))


def backend_pages() -> dict[str, str]:
    """A page per backend, and the table of all."""
    backends = {name: get_backend(name) for name in shipped(BACKENDS)}
    rows = [f"| [`{name}`]({name}.md) | {prose(each.summary)} |" for name, each in backends.items()]
    meanings = entries(sections(inspect.getdoc(Capabilities) or "")["Attributes"])
    capabilities = "\n".join(f"| `{name}` | {prose(words)} |" for name, words in meanings.items())
    index = f"""# Backends

{_table("backend", "what it is", rows)}

{_hidden(backends)}

## Capabilities

| capability | meaning |
|---|---|
{capabilities}
"""
    return {**{f"backends/{name}": _backend(name, each) for name, each in backends.items()}, "backends/index": index}


def _backend(name: str, backend: Any) -> str:
    source = markdown(inspect.getdoc(inspect.getmodule(type(backend))) or "")
    words = inspect.getdoc(type(backend)) or ""
    capabilities = "\n".join(
        f"| `{key}` | {_value(value)} |" for key, value in describe_capabilities(backend.capabilities).items()
    )
    options = "\n".join(
        f"| `{each['name']}` | {_cell(each['type'])} | {_cell(each['default'])} | {_cell(each['range'])} "
        f"| {_cell(each['description'])} |"
        for each in describe_options(backend.options_type)
    )
    about = markdown(inspect.getdoc(backend.options_type) or "").partition("```pycon")[0].strip()
    return f"""# {name}

{source}

{markdown(words)}

## Capabilities

| capability | here |
|---|---|
{capabilities}

## Options

{about}

On the command line `-o NAME=VALUE`; in Python a keyword of `qd.solve` and `qd.sample`. Without a default, the backend
chooses.

| option | type | default | range | meaning |
|---|---|---|---|---|
{options}
"""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "no limit" if value is None else f"{value:,}"


def _cell(value: Any) -> str:
    return "" if value is None else prose(str(value))


def formulation_pages() -> dict[str, str]:
    """A page per formulation, and the table of all."""
    found = {name: get_formulation(name) for name in shipped(FORMULATIONS)}
    rows = [f"| [`{name}`]({name}.md) | {prose(each.summary)} |" for name, each in found.items()]
    pages = {f"formulations/{name}": _formulation(name, each) for name, each in found.items()}
    index = f"# Formulations\n\n{_table('formulation', 'what it is', rows)}\n\n{_hidden(found)}\n"
    return {**pages, "formulations/index": index}


def _formulation(name: str, kind: Any) -> str:
    rows = "\n".join(
        f"| `{each['name']}` | {_cell(each['type'])} | {'required' if each['required'] else _cell(each['default'])} |"
        for each in describe_parameters(kind)
    )
    formats = getattr(kind, "formats", ())
    read = f"\n\nFiles: {', '.join(f'`{each}`' for each in formats)}; see [formats](../formats.md)." if formats else ""
    page = f"gallery/problems/{name.replace('-', '_')}"
    shown = f"\n\n[An instance with a picture](../../{page}.rst) is in the gallery."
    picture = shown if (Path(__file__).parents[3] / "examples" / f"{page}.py").exists() else ""
    return f"""# {name}

`{kind.__module__}.{kind.__name__}`: {prose(kind.summary)}.{picture}

{markdown(inspect.getdoc(kind) or "")}

## Parameters

On the command line `-p NAME=VALUE`; in Python those of the constructor.

| parameter | type | default |
|---|---|---|
{rows}{read}
"""


def _table(first: str, second: str, rows: list[str]) -> str:
    return "\n".join([f"| {first} | {second} |", "|---|---|", *rows])


def _hidden(names: Any) -> str:
    return "\n".join(["```{toctree}", ":hidden:", "", *names, "```"])
