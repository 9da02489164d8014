"""Workers: how much faster they are, and what is left when something fails.

    python -m bench.cluster speed --data DIR
    python -m bench.cluster numbers workers network runs disk

`speed` measures a network and runs a portfolio with one, two and four workers on this machine, and without any; results
are compared bit for bit. Processes that exchange nothing show what the machine allows at best. The others compress the
zoo's network by groups of 16 weights, in two rounds. `numbers` does so with one, two and four workers. The rest
disturbs it: of two workers one is killed (SIGKILL) at a random time; the connections to the scheduler are cut; the run
itself is killed, and started again until it ends; it runs on disks of all sizes from too small to large enough (needs
root), and again with room. Every run has to end with the plan and the model of an undisturbed run without workers, bit
for bit, and no file may be half written; otherwise the command fails. What is run again replaces its own rows of the
page.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.cluster import disturbances
from bench.cluster.speed import controls, measurement, portfolio, rows, today
from bench.command import add_data_option, add_page_options, finish, make_parser
from bench.processes import one_thread
from bench.results import read_results
from bench.solvers.peers.pt import PEERS
from bench.solvers.run import setting
from bench.tables import Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically

RESULTS, REMARKS, PAGE = "results.json", "remarks.md", "README.md"
SPEED = Table(
    "work | workers | s | times faster than one worker | load before | date",
    "{work} | {workers} | {seconds:.1f} | {faster:.2f} | {load:.1f} | {date}",
    "Speed",
    "Least of several turns, since other work only adds to the time. The load before is that of others.",
)
FAULTS = Table(
    "disturbance | runs to the end | disturbances | other results | half-written files | date",
    "{what} | {runs} | {disturbed} | {different} | 0 | {date}",
    "Disturbed runs",
    "`plan.json` and `model.safetensors`, compared with those of the undisturbed run without workers.",
)
_RUNS = {"numbers": 1, "workers": 20, "network": 10, "runs": 50, "disk": 40}


@dataclass(frozen=True)
class ClusterResults:
    """What was measured: rows of the tables, by what was asked for, and on what machine."""

    settings: Mapping[str, Any]
    speed: Sequence[Mapping[str, Any]] = ()
    faults: Mapping[str, Mapping[str, Any]] | None = None


def page(results: ClusterResults, remarks: str) -> str:
    """The page as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    found = results.faults or {}
    sections = [
        *([SPEED.section(results.speed)] if results.speed else []),
        *([FAULTS.section([found[name] for name in _RUNS if name in found])] if found else []),
    ]
    return "\n".join([f"# Workers\n\n{__doc__}\n{facts}.\n", *([remarks] if remarks else []), *sections])


def disturbed(what: str, count: int, seed: int, workers: Sequence[int]) -> dict[str, Any]:
    """A row of `FAULTS`."""
    if what == "numbers":
        return disturbances.numbers_of_workers(workers)
    if what == "workers":
        return disturbances.workers_killed(count, seed)
    if what == "network":
        return disturbances.network_cut(count, seed)
    if what == "runs":
        return disturbances.runs_killed(count, seed)
    return disturbances.disk_full(count)


def main() -> None:
    """Run what is asked for, and write the page."""
    parser = make_parser(__doc__, "--seed")
    add_data_option(parser)
    add_page_options(parser, Path(__file__).parent / "results")
    parser.add_argument("what", nargs="*", help=f"speed, {', '.join(_RUNS)}")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--images", type=int, default=768, help="calibration images of `speed`")
    parser.add_argument("--sweeps", type=int, default=20000, help="sweeps of every run of the portfolio")
    parser.add_argument("--turns", type=int, default=3, help="measurements of each, of which the least counts")
    parser.add_argument("--runs", type=int, help=f"disturbed runs, or kills (default: {_RUNS})")
    words = parser.parse_args()
    if words.runs is not None and words.runs < 1:
        raise OptionError("--runs must be at least 1")
    if not {"speed", *_RUNS}.issuperset(words.what) or not (words.what or words.report_only):
        raise OptionError(f"name what to run: speed, {', '.join(_RUNS)}")
    one_thread()
    words.out.mkdir(parents=True, exist_ok=True)
    path = words.out / RESULTS
    results = read_results(path, ClusterResults) if path.exists() else ClusterResults({})
    for what in () if words.report_only else words.what:
        machine = setting(PEERS) | {"cores": str(os.cpu_count()), "distributed": metadata.version("distributed")}
        results = replace(results, settings=machine)
        if what == "speed":
            network = "the zoo's mnist-cnn" if words.data is None else "ResNet-20"
            works = {
                f"measurement of {network}, {words.images} images": measurement(words.data, words.images),
                f"portfolio of 8 runs of {words.sweeps} sweeps": portfolio(words.sweeps),
            }
            measured = rows(works, words.workers, words.turns)
            results = replace(results, speed=[*measured, *controls(words.sweeps, words.workers, words.turns)])
        else:
            row = disturbed(what, words.runs or _RUNS[what], words.seed, words.workers) | {"date": today()}
            results = replace(results, faults={**(results.faults or {}), what: row})
        write_json(path, asdict(results))
    remarks = words.out / REMARKS
    text = page(results, remarks.read_text() if remarks.exists() else "")
    write_atomically(words.out / PAGE, text.encode())


if __name__ == "__main__":
    finish(main)
