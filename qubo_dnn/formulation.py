"""The formulation contract: a formulation turns a problem in the user's terms into a `Problem`.

A formulation is a class with the attributes and the methods of `Formulation`, registered in the entry point group
`qubo_dnn.formulations`. Its constructor takes the user's data and keyword parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from qubo_dnn.problem import Decoded, Problem

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

__all__ = ["Decoded", "Formulation", "Readable", "Verifiable"]


@runtime_checkable
class Formulation(Protocol[T]):
    """An instance of an optimization problem in the user's terms.

    A formulation may have auxiliary variables, which decoding ignores, such as variables that count used items. It then
    has an attribute `auxiliary = True`: the objective of a state may be worse than the cost of its answer, except in
    the best state.

    Attributes:
        name: name in the registry.
        summary: one line for `qubo-dnn formulations list`.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> max_cut = get_formulation("max-cut")([("a", "b", 1.0), ("b", "c", 2.0)])
        >>> isinstance(max_cut, Formulation), max_cut.compile().variables
        (True, ('x[0]', 'x[1]', 'x[2]'))
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    def example(cls, seed: int) -> Self:
        """Make a small, non-trivial instance of at most 16 variables, for the conformance kit and demonstrations."""
        ...

    def compile(self) -> Problem[T]:
        """Return the QUBO representation of this problem.

        Raises:
            FormulationError: the data do not make a well-formed problem.
        """
        ...

    def cost(self, value: T) -> float:
        """Return the objective of a decoded answer in the problem's sense, from the user's data without the QUBO."""
        ...


@runtime_checkable
class Verifiable(Protocol[T]):
    """Optional methods of a formulation that let the conformance kit compare it with brute force.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> independent_set = get_formulation("maximum-independent-set").example(0)
        >>> isinstance(independent_set, Verifiable)
        True
    """

    def is_feasible(self, value: T) -> bool:
        """Return whether an answer keeps all constraints, from the user's data without the QUBO."""
        ...

    def answers(self) -> Iterator[T]:
        """Enumerate all feasible answers of a small instance, from the user's data without the QUBO."""
        ...


@runtime_checkable
class Readable(Protocol):
    """Optional method of a formulation that reads instances, so that the command line can solve `FORMULATION:FILE`.

    A formulation that reads formats of `qubo_dnn.files.formats` lists their names in an attribute `formats`. `read`
    then takes one of these names as `format_name`. The user chooses it with `--format`; otherwise the file's name or
    content decides. Without `formats`, the formulation alone determines the format.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> isinstance(get_formulation("max-cut"), Readable), get_formulation("max-cut").formats
        (True, ('gset', 'dimacs-graph'))
    """

    @staticmethod
    def read(path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Read the arguments of the constructor from a file.

        Args:
            path: path of the file.
            format_name: one of `formats`, or None if the file determines it. Always None without `formats`.

        Raises:
            FileFormatError: the file is malformed; the text names the file and, if possible, the line.
        """
        ...
