"""Large arrays reuse freed memory."""

from __future__ import annotations

import ctypes
import sys

import pytest

from qubo_dnn.support.allocation import keeping_freed_memory

glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="of glibc"
)
LARGE = 1 << 26


def pages_of_an_array() -> int:
    """The pages that the system gives for a new array of 64 MiB, of which there are 16,384."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    made = bytes(range(256)) * (LARGE // 256)
    assert len(made) == LARGE
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_an_array_takes_the_memory_of_the_last_one() -> None:
    with keeping_freed_memory():
        pages_of_an_array()
        assert max(pages_of_an_array() for _ in range(3)) < 1000


@glibc
def test_memory_goes_back_at_the_end_also_after_an_error() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    held = []

    @keeping_freed_memory()
    def fail() -> None:
        pages_of_an_array()
        held.append(resident())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert resident() < held[0] - LARGE // 2


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    with keeping_freed_memory():
        pass
