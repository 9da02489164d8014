"""The instances: those that are generated, and those of a folder."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dimod
import numpy as np

from bench.command import add_data_option, add_folder_option
from bench.solvers.applications import assignment, grid, pruning_quantization
from bench.solvers.generators import (
    palubeckis,
    planar_union_edges,
    random_edges,
    regular_edges,
    sherrington_kirkpatrick,
    toroidal_edges,
    weighted,
)
from bench.solvers.instance import BenchmarkInstance, BestKnown, max_cut, renumbered
from qubo_dnn.errors import FileFormatError, OptionError, UnsupportedProblemError, suggestion
from qubo_dnn.files.common.model import Model, ObjectiveSense
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.files.formats import guess
from qubo_dnn.problem import Problem
from qubo_formulations.job_shop_scheduling import JobShopScheduling
from qubo_formulations.quadratic_assignment import QuadraticAssignment
from qubo_formulations.quadratic_knapsack import QuadraticKnapsack
from qubo_formulations.travelling_salesman import TravellingSalesman

FOLDER = "QUBO_DNN_INSTANCES"
SEEN = Path(__file__).with_name("best_seen.json")
TABLE = "best_known.csv"
# Where a generator makes the very instance; Palubeckis 2004 and later.
_LITERATURE = {"p3000_1": BestKnown(3931583.0, "literature")}

Maker = Callable[[], BenchmarkInstance]
_CONSTRAINED = (QuadraticKnapsack, QuadraticAssignment, TravellingSalesman, JobShopScheduling)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which instances, for `asked`."""
    add_folder_option(parser, "--instances", FOLDER, "instances", "those that are generated")
    parser.add_argument("--names", nargs="+", help="instances, of the folder or generated (default: all)")
    add_data_option(parser)


def asked(words: argparse.Namespace) -> Iterator[BenchmarkInstance]:
    """The instances that a command line names, made one after the other.

    Raises:
        OptionError: there is none of that name.
        FileFormatError: see `stored`.
    """
    ours = generated(words.data)
    theirs = {} if words.instances is None else stored(words.instances)
    return chosen(ours | theirs, words.names or list(theirs or ours))


def generated(network: Path | None = None) -> dict[str, Maker]:
    """Name -> what makes the instance.

    Args:
        network: folder of a network for pruning-quantization, see `bench.networks.loading.load`.
    """
    entries: list[tuple[str, str, ObjectiveSense, Callable[[], dimod.BinaryQuadraticModel]]] = [
        ("regular-3", "max-cut, 3-regular", "max", lambda: weighted(2000, regular_edges(2000, 3, 1))),
        ("regular-20", "max-cut, 20-regular", "max", lambda: weighted(2000, regular_edges(2000, 20, 1))),
        ("random", "max-cut, random of 1 %", "max", lambda: weighted(2000, random_edges(2000, 19990, 1))),
        ("torus", "max-cut, toroidal +-1", "max", lambda: weighted(2000, toroidal_edges(100, 20), 1)),
        ("planar", "max-cut, planar union", "max", lambda: weighted(2000, planar_union_edges(2000, 1))),
        ("planar-signs", "max-cut, planar union +-1", "max", lambda: weighted(2000, planar_union_edges(2000, 1), 1)),
        ("spin-glass", "dense +-1", "min", lambda: sherrington_kirkpatrick(1000, 1)),
        ("assignment", "one-hot penalties", "min", lambda: assignment(*grid(4, 5, 1))),
        ("pruning", "pruning-quantization", "min", lambda: pruning_quantization(network, "channel", (2, 4, 8))),
        ("palubeckis", "QUBO 50 % dense", "max", lambda: palubeckis(1000, 50, 11000)),
        ("p3000_1", "QUBO 50 % dense", "max", lambda: palubeckis(3000, 50, 31000)),
    ]
    best = {name: BestKnown(value, "best seen") for name, value in best_seen().items()} | _LITERATURE

    def maker(name: str, family: str, sense: ObjectiveSense, make: Callable[[], dimod.BinaryQuadraticModel]) -> Maker:
        return lambda: BenchmarkInstance(name, family, make(), sense, best.get(name))

    return {entry[0]: maker(*entry) for entry in entries}


def best_seen() -> dict[str, float]:
    """Name of a generated instance -> its best value in all runs that were remembered."""
    found: dict[str, float] = json.loads(SEEN.read_text()) if SEEN.exists() else {}
    return found


def remember(values: dict[str, float]) -> None:
    """Keep best values for the next runs.

    Raises:
        OutputError: they cannot be written.
    """
    everything = dict(sorted((best_seen() | values).items()))
    write_atomically(SEEN, (json.dumps(everything, indent=2) + "\n").encode())


def stored(folder: Path, *, constrained: bool = False) -> dict[str, Maker]:
    """The instances of a folder.

    Args:
        folder: if it has a `best_known.csv` with the columns `name`, `file`, `problem`, `best_known` and `sense`, its
            lines are the instances; the file "generated" stands for one that `generated` has under that name. Else
            every file below it is one, with nothing known.
        constrained: problems with constraints keep them, see `read_problem`.

    Raises:
        FileFormatError: there is no such folder, it is empty, or its table lacks a column or a value.
    """
    table = folder / TABLE
    if not table.exists():
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
        if not files:
            raise FileFormatError(f"{folder}: is no folder with instances")
        names = {path.name.partition(".")[0]: path for path in files}
        return {name: partial(_read, name, path, {}, constrained) for name, path in names.items()}
    makers: dict[str, Maker] = {}
    known = generated()
    try:
        with table.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            name = row["name"]
            row["best_known"] = float(row["best_known"]) if row["best_known"] else None
            if row["sense"] not in ("min", "max"):
                raise ValueError(f"the sense {row['sense']!r} is neither min nor max")
            if row["file"] != "generated":
                makers[name] = partial(_read, name, folder / row["file"], row, constrained)
            elif name in known:
                makers[name] = partial(_renamed, known[name], row["problem"])
            else:
                raise ValueError(f"{name} cannot be generated")
    except (OSError, KeyError, ValueError) as cause:
        raise FileFormatError(f"{table}: is no table of instances ({cause})") from cause
    return makers


def _renamed(make: Maker, family: str) -> BenchmarkInstance:
    return replace(make(), family=family)


def _read(name: str, path: Path, row: dict[str, Any], constrained: bool) -> BenchmarkInstance:
    family = row.get("problem", path.parent.name)
    problem = read_problem(path) if constrained else None
    if problem is not None:
        instance = BenchmarkInstance.of_problem(name, family, problem)
    else:
        instance = BenchmarkInstance(name, family, *read_file(path, row.get("sense")))
    return instance.known(row.get("best_known"))


def read_problem(path: Path) -> Problem[Any] | None:
    """The problem of a file of a kind that has constraints; None for another file.

    Raises:
        FileFormatError: the file cannot be read.
    """
    form = guess(path)
    formulation = next((each for each in _CONSTRAINED if form.name in each.formats), None)
    return None if formulation is None else formulation(**formulation.read(path)).compile()


def read_file(path: Path, sense: ObjectiveSense | None = None) -> tuple[dimod.BinaryQuadraticModel, ObjectiveSense]:
    """The model of a file, to be minimised, and the sense of its objective.

    Args:
        path: a graph (max-cut), a quadratic assignment problem (penalties) or a model.
        sense: of a model, where the file does not say it.

    Raises:
        FileFormatError: the file cannot be read, or is of another format.
        UnsupportedProblemError: its model has constraints.
    """
    form = guess(path)
    found = form.read(path)
    if form.name == "gset":
        nodes = {node: place for place, node in enumerate(found)}
        ends = np.array([(nodes[u], nodes[v]) for u, v in found.edges], np.int64).reshape(-1, 2)
        weights = [weight for *_, weight in found.edges(data="weight")]
        return max_cut(len(nodes), ends[:, 0], ends[:, 1], weights), "max"
    if form.name == "qaplib":
        return assignment(found.flow, found.distance), "min"
    if isinstance(found, Model):
        bqm, own = found.bqm, sense or found.sense
    elif form.name == "qplib":
        if len(found.cqm.constraints):
            raise UnsupportedProblemError(f"{path}: has constraints, and the solvers compared know none")
        aim, own = found.cqm.objective, found.sense
        bqm = dimod.BinaryQuadraticModel(aim.linear, {}, aim.offset, dimod.BINARY)
        bqm.add_quadratic_from(aim.quadratic)
    else:
        raise FileFormatError(f"{path}: is a {form.name} file, which the benchmark does not take")
    plain = renumbered(bqm)
    if own == "max":
        plain.scale(-1.0)
    return plain, own


def chosen(makers: dict[str, Maker], names: Sequence[str] | None) -> Iterator[BenchmarkInstance]:
    """The instances of these names, made one after the other; None for all.

    Raises:
        OptionError: there is none of that name.
    """
    for name in names or ():
        if name not in makers:
            raise OptionError(f"unknown instance {name!r}{suggestion(name, makers)}")
    return (makers[name]() for name in names or makers)
