"""Pages of public functions and classes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import qubo_dnn
from reference.docstrings import markdown

# What the functions of `qubo_dnn` return, and what other packages take from here.
RETURNED = {
    "qubo_dnn.api.compressed_network": ("CompressedNetwork",),
    "qubo_dnn.api.sweeps": ("Sweep",),
    "qubo_dnn.bounds.certificate": ("Certificate",),
    "qubo_dnn.compression.task.plan": ("LayerPlan",),
    "qubo_dnn.embedding.diagnosis": ("Diagnosis",),
    "qubo_dnn.solving.solution": ("BackendCall",),
}
MODULES = {
    "Adapters": (
        *("qubo_dnn.adapters.graphs", "qubo_dnn.adapters.qiskit_optimizer", "qubo_dnn.adapters.ommx_adapter"),
        "qubo_dnn.adapters.feature_selector",
    ),
    "Networks that ship": ("qubo_dnn.zoo",),
}


def names() -> dict[str, list[tuple[str, Any]]]:
    """The public names: heading -> (module, thing)."""
    face = [("qubo_dnn", name) for name in qubo_dnn.__all__ if name != "__version__"]
    returned = [(module, name) for module, listed in RETURNED.items() for name in listed]
    found = {"qubo_dnn": face, "What these return": returned}
    found["A sampler for Ocean"] = [("qubo_backends", "ParallelTemperingSampler")]
    found["Conformance kits"] = [
        ("qubo_dnn.testing.backends", "check_backend"),
        ("qubo_dnn.testing.formulations", "check_formulation"),
    ]
    for heading, modules in MODULES.items():
        found[heading] = [(name, each) for name in modules for each in _public(importlib.import_module(name))]
    return {
        heading: [(module, getattr(importlib.import_module(module), name)) for module, name in listed]
        for heading, listed in found.items()
    }


def _public(module: ModuleType) -> list[str]:
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    ]


def api_pages() -> dict[str, str]:
    """A page per name, and the list of all."""
    pages, lists = {}, []
    for heading, listed in names().items():
        files = []
        for module, thing in listed:
            name = thing.__name__
            pages[f"api/{name}"] = f"# {name}\n\n{_described(module, name, thing)}\n"
            files.append(name)
        lists.append(f"## {heading}\n\n```{{toctree}}\n:maxdepth: 1\n\n" + "\n".join(files) + "\n```\n")
    words = "Names of `qubo_dnn` are imported when they are first used; `qubo_dnn.__version__` is the version.\n"
    return {**pages, "api/index": f"# Public API\n\n{words}\n" + "\n".join(lists)}


def _described(module: str, name: str, thing: Any) -> str:
    words = markdown(inspect.getdoc(thing) or "")
    if inspect.isfunction(thing):
        return f"::::{{py:function}} {module}.{name}{signature(thing)}\n\n{words}\n::::"
    members = "\n\n".join(_member(key, member) for key, member in _members(thing))
    called = "" if _is_protocol(thing) else signature(thing)
    return f":::::{{py:class}} {module}.{name}{called}\n\n{words}\n\n{members}\n:::::"


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Own methods and properties that have a docstring; inherited ones, if their class is of these packages."""
    seen = set()
    for base in kind.__mro__:
        if not base.__module__.startswith(("qubo_dnn", "qubo_backends", "qubo_formulations")):
            continue
        for key, member in vars(base).items():
            plain = getattr(member, "__func__", member)
            known = isinstance(member, property) or inspect.isfunction(plain)
            if not key.startswith("_") and key not in seen and known and inspect.getdoc(plain):
                seen.add(key)
                yield key, member


def _member(name: str, member: Any) -> str:
    plain = getattr(member, "__func__", member)
    words = markdown(inspect.getdoc(plain) or "")
    if isinstance(member, property):
        return f"::::{{py:property}} {name}\n\n{words}\n::::"
    kind = {classmethod: ":classmethod:\n", staticmethod: ":staticmethod:\n"}.get(type(member), "")
    return f"::::{{py:method}} {name}{signature(plain)}\n{kind}\n{words}\n::::"


def _is_protocol(kind: type) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


class _Plain:
    """An annotation or a default that shows as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def signature(function: Any) -> str:
    """The parameters of a function as they are written, without `self`."""
    given = inspect.signature(function)
    parameters = [
        each.replace(annotation=_annotation(each.annotation), default=_default(each.default))
        for each in given.parameters.values()
        if each.name not in ("self", "cls")
    ]
    return str(given.replace(parameters=parameters, return_annotation=_annotation(given.return_annotation)))


def _annotation(annotation: Any) -> Any:
    if annotation is inspect.Signature.empty:
        return annotation
    return _Plain(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def _default(default: Any) -> Any:
    return _Plain("...") if default is not inspect.Parameter.empty and repr(default).startswith("<") else default
