from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import pytest

from bench.networks.shipped.packages import folder_of, module_of
from qubo_dnn.errors import MissingExtraError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose own `__init__` fails, with a module in a folder that needs two others."""
    inner = tmp_path / "shipped_fake" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("import no_such_library\n")
    (inner / "model.py").write_text(
        "import shipped_fake\nfrom .images import crop\nfrom .sizes import SIZE\nwidth = shipped_fake.FACTOR * SIZE\n"
    )
    (inner / "sizes.py").write_text("SIZE = 4\n")
    (inner / "images.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "shipped_fake"


def test_a_module_is_imported_without_its_package(package: str) -> None:
    stand_ins: dict[str, dict[str, object]] = {package: {"FACTOR": 3}, f"{package}.inner.images": {"crop": None}}
    module = module_of(f"{package}.inner.model", stand_ins)
    assert module.width == 12
    assert not [name for name in sys.modules if name.startswith(package)]


def test_what_was_imported_before_stays(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = ModuleType(package)
    mine.__spec__ = PathFinder.find_spec(package)
    monkeypatch.setitem(sys.modules, package, mine)
    module_of(f"{package}.inner.model", {package: {"FACTOR": 3}, f"{package}.inner.images": {"crop": None}})
    assert sys.modules[package] is mine


def test_the_folder_is_found_without_importing(package: str) -> None:
    assert (folder_of(package) / "inner" / "sizes.py").exists()


@pytest.mark.parametrize("find", [folder_of, lambda name: module_of(f"{name}.model")])
def test_a_missing_package_names_the_extra(find: object) -> None:
    assert callable(find)
    with pytest.raises(MissingExtraError, match=r"^no_such_package is not installed; run: .*qubo-dnn\[networks\]"):
        find("no_such_package")
