"""The formulation contract: anything that turns a problem of the user's into a `Problem`.

A formulation is a class with the attributes and the method of `Formulation`, reachable through the entry
point group `qubo_dnn.formulations`. Its constructor takes the user's data and keyword parameters.
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
    """One problem of the user's, ready to be compiled.

    Attributes:
        name: the name it is registered under.
        summary: one line for `qubo-dnn formulations list`.

    A formulation with variables that decoding does not look at, such as those that count what is used, says so with
    `auxiliary = True`: the objective of a state may then be worse than the cost of its answer, though not of the best.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    def example(cls, seed: int) -> Self:
        """A small instance (at most 16 variables, not trivial), for the conformance kit and for demonstration."""
        ...

    def compile(self) -> Problem[T]:
        """The common representation of this problem.

        Raises:
            FormulationError: the data do not make a well-formed problem.
        """
        ...

    def cost(self, value: T) -> float:
        """Objective of a decoded answer in the problem's own sense, computed from the user's data without the QUBO."""
        ...


@runtime_checkable
class Verifiable(Protocol[T]):
    """What a formulation may offer besides, so that the conformance kit can check it against brute force."""

    def is_feasible(self, value: T) -> bool:
        """Whether an answer keeps all constraints, checked on the user's data without the QUBO."""
        ...

    def answers(self) -> Iterator[T]:
        """All feasible answers, enumerated from the user's data without the QUBO; for small instances."""
        ...


@runtime_checkable
class Readable(Protocol):
    """What a formulation may offer besides, so that `FORMULATION:FILE` can be solved from the command line.

    A formulation whose instances come in formats of `qubo_dnn.files.formats` lists their names in an attribute
    `formats`. Its `read` then takes one of them as `format_name`, and `--format` is one of them; where the user gives
    none, the file's name or its content decides. Without `formats` the file is the formulation's own affair.
    """

    @staticmethod
    def read(path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Arguments of the constructor from a file in a format of the field.

        Args:
            path: of the file.
            format_name: one of `formats`; None leaves it to the file. Only given where there are `formats`.

        Raises:
            FileFormatError: the text names the file and, where there is one, the line.
        """
        ...
