"""The loop of a run: chunks of sweeps, and between them a look at the clock, Ctrl-C, the target and the caller."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from qubo_backends._pt import ledger
from qubo_backends._pt.elite import Elite
from qubo_backends._pt.sweep_limit import SweepLimit
from qubo_backends._shared import sampling
from qubo_dnn.backend import PROGRESS

# A call of a kernel holds back Ctrl-C and the clock: for no longer than this, and for this share of the run so far.
_CHUNK_SECONDS, _CHUNK_SHARE = 0.05, 0.05
# Most sweeps of a chunk.
_CHUNK_SWEEPS = 2**20
_LOGGED_EVERY = 1.0


class Engine(Protocol):
    """A ladder of replicas that `drive` advances.

    Attributes:
        elite: best different states so far, each value 0 or 1.
        ledger: what the sweeps and the searches did and found.
        attempts: moves offered so far, over all replicas.
        sweeps: done so far.
        sweeping: seconds that they took, without searches and polishing from Python.
        improved: sweeps after which the best state was found, counted to the end of the period that found it.
        found_by: name in the ledger of what found the best state first, None where there is none.
        settled: whether no more runs ended above the best state than reached it; a restart ends one.
        reached: nothing is left to do, since the target energy was found, no move is possible,
            or no start can be found.
    """

    elite: Elite
    ledger: ledger.Ledger
    attempts: int
    sweeps: int
    sweeping: float

    @property
    def improved(self) -> int: ...

    @property
    def found_by(self) -> str | None: ...

    @property
    def reached(self) -> bool: ...

    @property
    def settled(self) -> bool: ...

    def advance(self, sweeps: int) -> None:
        """Do so many sweeps more, or fewer where the target is reached."""
        ...

    def report(self) -> dict[str, Any]:
        """Figures for `info`."""
        ...


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        seconds: since its start.
        sweeps: done by every ladder.
        best_energy: so far, in the caller's unit.
        exchange_acceptance: of neighbouring temperatures of the first ladder, coldest first; empty until measured.
    """

    seconds: float
    sweeps: int
    best_energy: float
    exchange_acceptance: tuple[float, ...]


def drive(
    engines: Sequence[Engine],
    limit: SweepLimit,
    watch: sampling.InterruptGuard,
    energy_of: Callable[[float], float],
    progress: Callable[[Progress], object] | None,
) -> dict[str, list[float]]:
    """Advance engines, one thread each, until their sweeps are done, the target is reached or the watch says so.

    Args:
        engines: at least one.
        limit: of the sweeps of each; all go on while one is to go on.
        watch: clock and Ctrl-C.
        energy_of: brings an energy of an elite into the caller's unit.
        progress: called between chunks; may raise StopIteration to end the run.

    Returns:
        The course of the run for `info`: `seconds`, `sweeps` of every ladder and `energy`, the best so far, at its
        start, whenever a chunk has found a better one, and at its end.
    """
    watched = _Watched(engines, watch, energy_of, progress)
    end = limit.usual
    with ThreadPoolExecutor(max_workers=len(engines)) as pool:
        while not watched.over:
            if len(engines) == 1:
                watched.advance(0, end, watched.look)
            else:
                workers = [pool.submit(watched.advance, place, end) for place in range(len(engines))]
                while wait(workers, timeout=watched.allowed).not_done:
                    watched.look()
                for worker in workers:
                    worker.result()
                watched.look()
            improved = max(engine.improved for engine in engines)
            extended = limit.extended(end, improved, all(engine.settled for engine in engines))
            if extended == end:
                break
            end = extended
    return watched.course()


class _Watched:
    """Engines on their way, each in chunks of its own, so that none waits for another.

    Args: see `drive`.

    Attributes:
        done: sweeps of every engine that were asked for.
        over: True ends all of them after their chunks.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        watch: sampling.InterruptGuard,
        energy_of: Callable[[float], float],
        progress: Callable[[Progress], object] | None,
    ) -> None:
        self.done = [0] * len(engines)
        self.over = any(engine.reached for engine in engines)
        self._engines, self._watch, self._energy_of, self._progress = engines, watch, energy_of, progress
        self._chunks = [1] * len(engines)
        self._logger, self._logged = logging.getLogger(f"{PROGRESS}.pt"), watch.seconds
        self._points: list[tuple[float, int, float]] = []

    @property
    def allowed(self) -> float:
        """Seconds of a chunk, and between two looks."""
        return min(_CHUNK_SECONDS, max(_CHUNK_SHARE * self._watch.seconds, 1e-3))

    def advance(self, place: int, end: float, look: Callable[[], None] = lambda: None) -> None:
        """Advance one engine until `end` sweeps were asked for; `look` is called after every chunk."""
        engine = self._engines[place]
        try:
            while self.done[place] < end and not self.over:
                chunk = int(min(self._chunks[place], end - self.done[place]))
                started = time.perf_counter()
                engine.advance(chunk)
                seconds = time.perf_counter() - started
                self.done[place] += chunk
                most = min(2 * chunk, _CHUNK_SWEEPS)
                self._chunks[place] = int(np.clip(chunk * self.allowed / max(seconds, 1e-9), 1, most))
                self.over |= engine.reached
                look()
        except BaseException:
            self.over = True
            raise

    def course(self) -> dict[str, list[float]]:
        """Return the course of the run, see `drive`."""
        points = list(self._points)
        if points and points[-1][1] < min(self.done):
            points.append((self._watch.seconds, min(self.done), points[-1][2]))
        seconds, sweeps, energies = zip(*points, strict=True) if points else ((), (), ())
        return {"seconds": list(seconds), "sweeps": list(sweeps), "energy": list(energies)}

    def look(self) -> None:
        """Log, tell the caller, and look at the clock."""
        best = self._energy_of(min(engine.elite.best_energy for engine in self._engines))
        seconds, done = self._watch.seconds, min(self.done)
        if np.isfinite(best) and (not self._points or best < self._points[-1][2]):
            self._points.append((seconds, done, best))
        if seconds - self._logged >= _LOGGED_EVERY:
            self._logged = seconds
            self._logger.debug("pt: %d sweeps in %.0f s, best energy %.10g", done, seconds, best)
        self.over |= self._watch.over
        if self._progress is not None:
            rates = tuple(self._engines[0].report().get("exchange_acceptance", ()))
            try:
                self._progress(Progress(seconds, done, best, rates))
            except StopIteration:
                self.over = True


def report(engines: Sequence[Engine], watch: sampling.InterruptGuard, unit: float = 1.0) -> dict[str, Any]:
    """Figures of the run for `info`: sums over all ladders where they are sums, else those of the first ladder.

    Args:
        engines: at least one.
        watch: clock and Ctrl-C.
        unit: of the engines' energies, in the caller's.
    """
    return {
        "interrupted": watch.interrupted,
        "seconds": watch.seconds,
        "sweeps": [engine.sweeps for engine in engines],
        # Of sweeping alone: searches look at flips too, but not one by one.
        "flips_per_second": sum(engine.attempts / max(engine.sweeping, 1e-9) for engine in engines),
        "threads": len(engines),
        "target_reached": any(engine.reached for engine in engines),
        **engines[0].report(),
        "portfolio": ledger.report([engine.ledger for engine in engines], unit),
        "found_by": min(engines, key=lambda engine: engine.elite.best_energy).found_by,
    }
