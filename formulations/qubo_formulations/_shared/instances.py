"""Base classes of formulations that read instances from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from qubo_dnn.files.formats import read_instance


class FileInstance:
    """A formulation whose files hold the arguments of its constructor, and nothing else.

    Attributes:
        formats: names of the formats, see `qubo_dnn.files.formats`.
    """

    formats: ClassVar[tuple[str, ...]]

    @classmethod
    def read(cls, path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Read the arguments of the constructor; see `qubo_dnn.formulation.Readable`."""
        return dict(vars(read_instance(path, cls.formats, format_name)))


class GraphInstance:
    """A formulation on a graph, which is the only thing in its files."""

    formats: ClassVar[tuple[str, ...]] = ("gset", "dimacs-graph")

    @classmethod
    def read(cls, path: Path, format_name: str | None = None) -> dict[str, Any]:
        """Read the graph; see `qubo_dnn.formulation.Readable`."""
        return {"graph": read_instance(path, cls.formats, format_name)}
