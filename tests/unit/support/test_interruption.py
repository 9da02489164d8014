"""Ctrl-C waits for the end of a block, and a second one does not."""

from __future__ import annotations

import signal
import threading

import pytest

from qubo_dnn.support.interruption import Deferral


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_leaves_the_block_at_once() -> None:
    steps = []

    def work() -> None:
        with Deferral():
            press()
            steps.append(1)
            press()
            steps.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == [1]
    with pytest.raises(KeyboardInterrupt):
        press()


def test_an_error_of_the_block_counts_more() -> None:
    def work() -> None:
        with Deferral():
            press()
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        work()


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Deferral() as deferral:
            press()
        assert not deferral.pressed
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_have_nothing_to_defer() -> None:
    left = []

    def work() -> None:
        with Deferral():
            left.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert left == [signal.getsignal(signal.SIGINT)]
