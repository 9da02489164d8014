"""Single files of installed packages, without importing what else the packages import."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from qubo_dnn.errors import MissingExtraError

EXTRA = "networks"


def folder_of(package: str) -> Path:
    """Folder of an installed package, which is not imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(f"{package} is not installed; run: pip install 'qubo-dnn[{EXTRA}]'")
    return Path(found.submodule_search_locations[0])


def module_of(name: str, stand_ins: Mapping[str, Mapping[str, object]] | None = None) -> ModuleType:
    """A module of a package, imported without the package's own `__init__`.

    The packages of these networks import audio and image libraries that their networks do not need.

    Args:
        name: dotted name of the module.
        stand_ins: modules that it would import -> what stands in their place, name by name.

    Raises:
        MissingExtraError: the package is not installed.
    """
    top, *inner = name.split(".")[:-1]
    places = {top: folder_of(top)}
    for part in inner:
        above = next(reversed(places))
        places[f"{above}.{part}"] = places[above] / part
    bare = {each: _module(each, {"__path__": [str(place)]}) for each, place in places.items()}
    for each, content in (stand_ins or {}).items():
        bare.setdefault(each, _module(each, {})).__dict__.update(content)
    with _replaced(bare, top):
        return importlib.import_module(name)


def _module(name: str, content: Mapping[str, object]) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(content)
    return module


@contextmanager
def _replaced(modules: Mapping[str, ModuleType], package: str) -> Iterator[None]:
    """Put these in the place of the imported ones, for a while; nothing of the package is kept as imported."""
    before = {name: module for name, module in sys.modules.items() if _belongs(name, modules, package)}
    for name in before:
        del sys.modules[name]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if _belongs(name, modules, package)]:
            del sys.modules[name]
        sys.modules.update(before)


def _belongs(name: str, modules: Mapping[str, ModuleType], package: str) -> bool:
    return name in modules or f"{name}.".startswith(f"{package}.")
