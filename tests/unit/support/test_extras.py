from __future__ import annotations

import json
from pathlib import Path

import pytest

from qubo_dnn.errors import BackendUnavailableError, MissingExtraError
from qubo_dnn.support.extras import require


def test_a_module_that_is_there_is_returned() -> None:
    assert require("json", "anything") is json


@pytest.mark.parametrize("module", ["not_there_at_all", "not_there_at_all.inside"])
def test_a_missing_module_is_reported_by_its_extra(module: str) -> None:
    with pytest.raises(MissingExtraError, match=rf"^{module} is not installed; run: pip install 'qubo-dnn\[dwave\]'$"):
        require(module, "dwave")


def test_the_kind_of_error_can_be_chosen() -> None:
    with pytest.raises(BackendUnavailableError):
        require("not_there_at_all", "dwave", BackendUnavailableError)


@pytest.mark.parametrize("fault", ["import a_dependency_that_is_missing", "from json import not_a_name"])
def test_a_module_that_does_not_load_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (tmp_path / "does_not_load.py").write_text(f"{fault}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"does_not_load cannot be imported \(.*(missing|not_a_name).*\)"):
        require("does_not_load", "dwave")
