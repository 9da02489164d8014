"""`qubo-dnn backends`: list, describe and check the installed backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qubo_dnn.cli.common.output import AsJson, print_json, print_lines, print_table

if TYPE_CHECKING:
    from qubo_dnn.backend import Capabilities, SolveOptions
    from qubo_dnn.cli.plugins import Probe

BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}

app = typer.Typer(no_args_is_help=True, help="List and check the installed backends.")


@app.command("list")
def print_backends(as_json: AsJson = False) -> None:
    """List all installed backends."""
    from qubo_dnn.cli.plugins import print_probes

    print_probes(_probes(), as_json)


@app.command("doctor")
def examine_backends(
    live: Annotated[bool, typer.Option("--live", help="Also contact the services, with your credentials.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check which backends are usable, and what the others lack; without --live no data leaves this machine."""
    probes = probed(live)
    if as_json:
        print_json([each.to_json() for each in probes])
    else:
        print_table(
            ("name", "state", "from"), [(each.name, each.fault or each.state or "ok", each.origin) for each in probes]
        )


def probed(live: bool) -> list[Probe]:
    """Load and check all backends; with `live`, their services too."""
    from qubo_dnn.cli.plugins import check_backend

    return [check_backend(each, live) for each in _probes()]


@app.command("show")
def show_backend(
    name: Annotated[str, typer.Argument(help="Name of a backend.", show_default=False)], as_json: AsJson = False
) -> None:
    """Show the capabilities and the options of one backend."""
    from qubo_dnn.registry import BACKENDS, get_backend, origin

    backend = get_backend(name)
    capabilities, options = describe_capabilities(backend.capabilities), describe_options(backend.options_type)
    if as_json:
        about = {"name": name, "summary": backend.summary, "origin": origin(BACKENDS, backend.name)}
        print_json({**about, "capabilities": capabilities, "options": options})
        return
    print_lines(f"{name}: {backend.summary}", f"from {origin(BACKENDS, backend.name)}", "")
    print_table(("capability", "value"), [(key, _readable(value)) for key, value in capabilities.items()])
    typer.echo()
    print_table(("option", "type", "default", "range", "description"), [tuple(each.values()) for each in options])


def describe_capabilities(capabilities: Capabilities) -> dict[str, Any]:
    """Return the capabilities as plain data."""
    from dataclasses import asdict

    return {**asdict(capabilities), "native_constraints": sorted(capabilities.native_constraints)}


def describe_options(options_type: type[SolveOptions]) -> list[dict[str, Any]]:
    """Return the name, type, default, range and description of every option.

    Type and range are those of the model's JSON schema, which also states what pydantic enforces in nested
    annotations. A default or a range of None means "the backend's own" and "no bound".
    """
    from pydantic.json_schema import GenerateJsonSchema

    class WithFunctions(GenerateJsonSchema):
        def callable_schema(self, schema: Any) -> dict[str, Any]:  # noqa: ARG002 - pydantic's signature
            return {"type": "function"}

    schema = options_type.model_json_schema(schema_generator=WithFunctions)
    return [
        {
            "name": name,
            "type": " or ".join(_type_names(entry, schema.get("$defs", {}))),
            "default": entry.get("default"),
            "range": ", ".join(_bounds(entry)) or None,
            "description": entry.get("description"),
        }
        for name, entry in schema["properties"].items()
    ]


def _type_names(entry: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    """Return the alternatives of a JSON schema entry, without "null"."""
    if "$ref" in entry:
        return _type_names(definitions[entry["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in entry:
        return [name for choice in entry["anyOf"] for name in _type_names(choice, definitions)]
    if "const" in entry:
        return [repr(entry["const"])]
    if "enum" in entry:
        return [repr(value) for value in entry["enum"]]
    kind = entry.get("type", "any")
    if "prefixItems" in entry:
        return [f"({', '.join(' or '.join(_type_names(item, definitions)) for item in entry['prefixItems'])})"]
    if "items" in entry:
        return [f"list of {' or '.join(_type_names(entry['items'], definitions))}"]
    return [] if kind == "null" else [kind]


def _bounds(entry: dict[str, Any]) -> list[str]:
    """Return the bounds of a JSON schema entry and of its alternatives, such as ">= 1"."""
    bounds = [f"{symbol} {entry[key]}" for key, symbol in BOUNDS.items() if key in entry]
    return bounds + [bound for choice in entry.get("anyOf", ()) for bound in _bounds(choice)]


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "no limit" if value is None else str(value)


def _probes() -> list[Probe]:
    from qubo_dnn.cli.plugins import probe
    from qubo_dnn.registry import BACKENDS, get_backend, list_backends

    return probe(BACKENDS, list_backends(), get_backend)
