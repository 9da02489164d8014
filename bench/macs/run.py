"""All rows of the network: every method at every budget, with the same images, measurement and repairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from bench.macs.methods import METHODS, Question
from bench.macs.results import Answer, NetworkResults, NetworkRow
from bench.processes import cpu_timed
from bench.removal.channels import Channels, Flags
from bench.removal.measured import Measured
from bench.removal.smaller import smaller_network
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.network.inference import evaluate


def run_network(
    model: nn.Module,
    calibration: Data,
    test: Data,
    results: NetworkResults,
    heard: Callable[[str], None],
    *,
    methods: Sequence[str],
    percents: Sequence[float],
    seeds: Sequence[int],
    size: int,
    seconds: float,
    exact_seconds: float,
) -> None:
    """Add to `results` what is not there yet.

    Args:
        model: the network, a chain of layers.
        calibration: images to draw from.
        test: labelled images.
        results: added to.
        heard: called with a text whenever there is more.
        methods: names.
        percents: of the multiply-accumulates that may stay.
        seeds: all methods with the first one come before any with another.
        size: calibration images that are drawn, a quarter of them held out.
        seconds: time limit of a backend.
        exact_seconds: time limit of `exact-milp`.
    """
    if results.accuracy is None:
        results.accuracy = evaluate(model, test).accuracy
    done = {row.key for row in results.rows}
    for seed in seeds:
        measured = Measured(Channels.of(model, calibration, size, 0.25, seed))
        for percent in percents:
            missing = [name for name in methods if (name, percent, seed) not in done]
            if not missing:
                continue
            question = Question(measured, percent / 100, seconds, exact_seconds)
            answers = _Answers(question, test)
            # Measured here, since it is no part of the time of a method.
            heard(f"{percent:g} %, seed {seed}: the optimum is {question.optimum.loss:.4f} nats")
            for name in missing:
                removed, took = cpu_timed(METHODS[name], question)
                answer = None if removed is None else answers.of(removed)
                results.rows.append(NetworkRow(name, percent, seed, took, answer))
                found = "nothing" if answer is None else f"gap {answer.gap:.2%}, {answer.accuracy:.2%}"
                heard(f"{name}, {percent:g} %, seed {seed}: {found}, {took:.1f} s")


class _Answers:
    """Evaluates choices of channels; methods that choose the same ones get the same network."""

    def __init__(self, question: Question, test: Data) -> None:
        self._question, self._test = question, test
        self._known: dict[bytes, Answer] = {}

    def of(self, removed: Flags) -> Answer:
        """Return the figures without some channels."""
        key = removed.tobytes()
        if key not in self._known:
            self._known[key] = self._evaluated(removed)
        return self._known[key]

    def _evaluated(self, removed: Flags) -> Answer:
        question = self._question
        smaller = smaller_network(question.channels, removed, self._test)
        loss = question.loss(removed)
        return Answer(
            loss=loss,
            # Losses are single-precision numbers to the backends; adding 0 turns -0 into 0.
            gap=round(loss / question.optimum.loss - 1.0, 6) + 0.0,
            kept=question.channels.kept(removed),
            macs=smaller.macs,
            accuracy=smaller.accuracy,
            divergence=smaller.divergence,
            held_out_divergence=smaller.held_out_divergence,
        )
