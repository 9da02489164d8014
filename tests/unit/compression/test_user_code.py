from pathlib import Path

import pytest

from qubo_dnn.compression.user_code import foreign_code, reason, resolve
from qubo_dnn.errors import DataError, ModelError


def test_resolve_gives_the_attribute() -> None:
    assert resolve("qubo_dnn.errors:ModelError", DataError) is ModelError


@pytest.mark.parametrize(
    "spec", ["", "json", "json:", ":loads", "a b:c", "json:loads()", ".json:loads", "pkg/net.py:f"]
)
def test_malformed_spec_is_refused(spec: str) -> None:
    with pytest.raises(ModelError, match=r"is not of the form package\.module:name"):
        resolve(spec, ModelError)


@pytest.mark.parametrize("path", ["no_such_package", "no_such_package.sub", "json.no_such_module"])
def test_missing_module_is_named(path: str) -> None:
    with pytest.raises(DataError, match=r"module '[\w.]+' not found; is its folder on PYTHONPATH\?"):
        resolve(f"{path}:thing", DataError)


def test_missing_attribute_names_the_near_match() -> None:
    with pytest.raises(ModelError, match=r"module 'json' has no 'load_s'; did you mean 'loads'\?"):
        resolve("json:load_s", ModelError)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import no_such_dependency", "ModuleNotFoundError: No module named 'no_such_dependency'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_module_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, text: str) -> None:
    (tmp_path / "failing_module_of_a_user.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=f"cannot import 'failing_module_of_a_user': {text}") as caught:
        resolve("failing_module_of_a_user:thing", ModelError)
    assert "\n" not in str(caught.value)


def test_foreign_code_leaves_our_own_errors_and_interrupts_alone() -> None:
    with pytest.raises(DataError, match=r"^mine$"), foreign_code(ModelError, "what"):
        raise DataError("mine")
    with pytest.raises(KeyboardInterrupt), foreign_code(ModelError, "what"):
        raise KeyboardInterrupt


def test_reason_is_type_and_first_line() -> None:
    assert reason(ValueError("\n one\ntwo")) == "ValueError: one"
    assert reason(ValueError()) == "ValueError"
