"""The other process of the kits: each request finds it fresh, and none spoils the next."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from qubo_dnn.testing.common import NotApplicable
from qubo_dnn.testing.elsewhere import call_elsewhere

CALLS: list[str] = []


def surroundings(name: str) -> tuple[int, int, str | None, str]:
    """The process, its parent, an environment variable, and the working directory."""
    return os.getpid(), os.getppid(), os.environ.get(name), os.getcwd()


def counted() -> int:
    CALLS.append("a call")
    return len(CALLS)


def hashed(text: str) -> int:
    return hash(text)


def said_aloud() -> str:
    print("aloud", flush=True)
    os.write(1, b"raw")
    return "value"


def fails() -> None:
    raise ValueError("on purpose")


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def takes_the_server_along() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def test_hashes_of_strings_differ() -> None:
    assert call_elsewhere(hashed, "text") != hash("text")


def test_requests_share_an_interpreter_but_nothing_that_calls_leave_behind() -> None:
    one, other = call_elsewhere(surroundings, "X"), call_elsewhere(surroundings, "X")
    assert one[0] != other[0]
    assert one[1] == other[1] != os.getpid()
    counted()
    assert call_elsewhere(counted) == call_elsewhere(counted) == 1


def test_surroundings_are_those_of_the_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    call_elsewhere(hashed, "text")
    monkeypatch.setenv("SET_JUST_NOW", "yes")
    monkeypatch.chdir(tmp_path)
    assert call_elsewhere(surroundings, "SET_JUST_NOW")[2:] == ("yes", str(tmp_path))


def test_what_is_printed_is_no_answer() -> None:
    assert call_elsewhere(said_aloud) == "value"


@pytest.mark.parametrize(("function", "text"), [(fails, "on purpose"), (dies, ""), (takes_the_server_along, "")])
def test_a_request_that_fails_does_not_spoil_the_next(function: object, text: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s)another process failed.*{text}"):
        call_elsewhere(function)
    assert call_elsewhere(said_aloud) == "value"


def test_a_module_is_looked_for_anew_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "found_anew.py").write_text(f"def number(): return {number}")
        with monkeypatch.context() as patched:
            patched.syspath_prepend(folder)
            patched.delitem(sys.modules, "found_anew", raising=False)
            assert call_elsewhere(__import__("found_anew").number) == number
    with pytest.raises(NotApplicable, match="cannot be imported in another process"):
        call_elsewhere(sys.modules["found_anew"].number)
    del sys.modules["found_anew"]


def test_what_cannot_be_sent_does_not_apply() -> None:
    with pytest.raises(NotApplicable, match="cannot be sent"):
        call_elsewhere(hashed, lambda: None)
