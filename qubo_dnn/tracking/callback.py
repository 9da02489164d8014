"""The contract of a callback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Callback:
    """Receives the parameters, metrics and the result of a run; override what you need.

    A run is a call of `qubo_dnn.solve`, `compress` or `sweep` whose arguments were accepted. It calls `started` once,
    `metric` many times, and then either `finished` or `failed` once, all from the thread of the call. An exception
    other than KeyboardInterrupt in a callback becomes a warning, and the run goes on: if `started` raises, the callback
    receives nothing further, and if `metric` does, no more metrics.

    Example:
        >>> class Printer(Callback):
        ...     def metric(self, name: str, value: float, step: int) -> None:
        ...         print(name, value, step)
        >>> Printer().metric("objective", -2.0, 1)
        objective -2.0 1
    """

    def started(self, kind: str, parameters: Mapping[str, Any]) -> None:
        """A run begins.

        Args:
            kind: "solve", "compress" or "sweep".
            parameters: name -> text, number, truth value, None, or a mapping of the same kind. Values of options whose
                names say that they are secret, such as tokens, are "***".
        """

    def metric(self, name: str, value: float, step: int) -> None:
        """Receive a figure.

        Args:
            name: what it is, such as "round/divergence" during a run, or "bytes" at its end.
            value: the figure.
            step: number of the call of the backend, of the round, or of the point of a sweep, from 1; at the end of a
                run, that of the last one, or 0 if there was none.
        """

    def finished(self, result: Any) -> None:
        """The run ends with a result, also if Ctrl-C ended it early with the best result so far.

        Args:
            result: what the call returns; `interrupted` in its `to_dict()` says whether it ended early.
        """

    def failed(self, error: BaseException) -> None:
        """The run ends without a result.

        Args:
            error: what the call raises; a KeyboardInterrupt after Ctrl-C.
        """
