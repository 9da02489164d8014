"""Pages of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from qubo_dnn.cli.main import app
from reference.docstrings import prose


def commands() -> dict[str, Any]:
    """All commands: words -> command of typer; groups are replaced by their commands."""
    return dict(_of("qubo-dnn", get_command(app)))


def _of(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _of(f"{words} {name}", each)
    else:
        yield words, command


def command_pages() -> dict[str, str]:
    """A page per command, and the list of all."""
    pages, rows = {}, []
    for words, command in commands().items():
        name = words.removeprefix("qubo-dnn ").replace(" ", "-")
        pages[f"commands/{name}"] = _page(words, command)
        rows.append(f"| [`{words}`]({name}.md) | {prose(_first(command))} |")
    listed = "\n".join(["| command | what it does |", "|---|---|", *rows])
    hidden = "\n".join(["```{toctree}", ":hidden:", "", *(each.partition("/")[2] for each in pages), "```"])
    return {**pages, "commands/index": f"# Commands\n\n{listed}\n\n{_GLOBAL}\n\n{hidden}\n"}


_GLOBAL = """`qubo-dnn --version` prints the version; `--install-completion` and `--show-completion` are for shells.
`QUBO_DNN_DEBUG=1` shows the traceback of an internal error, and `NO_COLOR=1` takes the colours away.
[Exit codes](../errors.md) say how a command ended."""


def _first(command: Any) -> str:
    return (command.help or "").split("\n\n")[0].replace("\n", " ").strip()


def _page(words: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    panels: dict[str, list[Any]] = {}
    for each in command.params:
        if each.param_type_name == "option" and each.name != "help":
            panels.setdefault(each.rich_help_panel or "Options", []).append(each)
    usage = " ".join([words, *map(_argument, arguments), "[OPTIONS]"])
    text = [f"# {words}", prose(command.help or "").strip(), f"```text\n{usage}\n```"]
    if arguments:
        listed = "\n".join(f"- `{_argument(each)}`: {_cell(each.help)}" for each in arguments)
        text.append(f"## Arguments\n\n{listed}")
    for panel, options in panels.items():
        rows = "\n".join(f"| {_names(each)} | {_cell(each.help)}{_default(each)} |" for each in options)
        text.append(f"## {panel}\n\n| option | meaning |\n|---|---|\n{rows}")
    return "\n\n".join(text) + "\n"


def _names(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
    shown = [f"`{name}{value}`" for name in option.opts] + [f"`{name}`" for name in option.secondary_opts]
    return ", ".join(shown).replace("|", "\\|")


def _cell(text: str | None) -> str:
    return prose(" ".join((text or "").split()))


def _argument(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _default(option: Any) -> str:
    """The default, where the help shows it."""
    value = option.default
    if not option.show_default or value is None or value is False or value in ((), []):
        return ""
    if value is True and option.secondary_opts:
        value = option.opts[0]
    return f" Default: `{value}`."
