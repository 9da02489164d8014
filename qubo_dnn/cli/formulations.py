"""`qubo-dnn formulations`: list and describe the installed formulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from qubo_dnn.cli.common.output import AsJson, print_json, print_lines, print_table

app = typer.Typer(no_args_is_help=True, help="List the installed formulations.")


@app.command("list")
def print_formulations(as_json: AsJson = False) -> None:
    """List all installed formulations."""
    from qubo_dnn.cli.plugins import print_probes, probe
    from qubo_dnn.registry import FORMULATIONS, get_formulation, list_formulations

    print_probes(probe(FORMULATIONS, list_formulations(), get_formulation), as_json)


@app.command("show")
def show_formulation(
    name: Annotated[str, typer.Argument(help="Name of a formulation.", show_default=False)], as_json: AsJson = False
) -> None:
    """Show the description and the parameters of one formulation."""
    import inspect

    from qubo_dnn.registry import FORMULATIONS, get_formulation, origin

    formulation = get_formulation(name)
    description, parameters = inspect.getdoc(formulation) or "", describe_parameters(formulation)
    if as_json:
        about = {"name": name, "summary": formulation.summary, "origin": origin(FORMULATIONS, name)}
        print_json({**about, "description": description, "parameters": parameters})
        return
    print_lines(f"{name}: {formulation.summary}", f"from {origin(FORMULATIONS, name)}", "")
    print_lines(*description.splitlines(), "")
    rows = [(each["name"], each["type"], "required" if each["required"] else each["default"]) for each in parameters]
    print_table(("parameter", "type", "default"), rows)


def describe_parameters(constructor: Callable[..., Any]) -> list[dict[str, Any]]:
    """Return name, annotated type, default (as Python source) and necessity of every constructor parameter."""
    import inspect

    parameters = []
    for each in inspect.signature(constructor).parameters.values():
        required = each.default is each.empty
        annotation = each.annotation if isinstance(each.annotation, str) else inspect.formatannotation(each.annotation)
        parameters.append(
            {
                "name": each.name,
                "type": None if each.annotation is each.empty else annotation,
                "default": None if required else repr(each.default),
                "required": required,
            }
        )
    return parameters
