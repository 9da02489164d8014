"""Workers: how much faster they are, and what is left when something fails.

    python -m bench.cluster speed --data DIR
    python -m bench.cluster workers network runs disk

`speed` measures a network and runs a portfolio with one, two and four workers on this machine, and compares the results
bit for bit. The others disturb compressions of the zoo's network: a worker is killed at a random time; the connections
to the scheduler are cut; the run is killed and started again; it runs on disks that are too small (needs root). Every
run has to end with the plan and the model of an undisturbed run without workers, bit for bit, and no file may be half
written; otherwise the command fails.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bench.cluster import disturbances
from bench.cluster.speed import measurement, portfolio, rows
from bench.command import add_data_option, finish, make_parser
from bench.processes import one_thread
from bench.tables import Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError

SPEED = Table(
    "work | workers | s | times faster | load", "{work} | {workers} | {seconds:.1f} | {faster:.2f} | {load:.1f}"
)
FAULTS = Table("what | runs | disturbed | different", "{what} | {runs} | {disturbed} | {different}")
_RUNS = {"workers": 20, "network": 10, "runs": 50, "disk": 40}


def main() -> None:
    """Run what is asked for, print tables and write JSON."""
    parser = make_parser(__doc__, "--seed", "--json")
    add_data_option(parser)
    parser.add_argument("what", nargs="+", choices=("speed", *_RUNS))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--images", type=int, default=768, help="calibration images of `speed`")
    parser.add_argument("--sweeps", type=int, default=20000, help="sweeps of every run of the portfolio")
    parser.add_argument("--turns", type=int, default=3, help="measurements, of which the median counts")
    parser.add_argument("--runs", type=int, help=f"disturbed runs, or kills (default: {_RUNS})")
    words = parser.parse_args()
    if words.runs is not None and words.runs < 1:
        raise OptionError("--runs must be at least 1")
    one_thread()
    found: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    if "speed" in words.what:
        network = "the zoo's mnist-cnn" if words.data is None else Path(words.data).name
        works = {
            f"measurement of {network}": measurement(words.data, words.images),
            "portfolio": portfolio(words.sweeps),
        }
        found["speed"] = rows(works, words.workers, words.turns)
        print(SPEED.markdown(found["speed"]), flush=True)
        print(f"{found['cores']} cores; load before {found['load']:.1f}", flush=True)
    faults = []
    for what in words.what:
        count = words.runs or _RUNS.get(what, 0)
        if what == "workers":
            faults.append(disturbances.workers_killed(count, words.seed))
        elif what == "network":
            faults.append(disturbances.network_cut(count, words.seed))
        elif what == "runs":
            faults.append(disturbances.runs_killed(count, words.seed))
        elif what == "disk":
            faults.append(disturbances.disk_full(count))
    if faults:
        found["faults"] = faults
        print(FAULTS.markdown(faults))
    if words.json is not None:
        write_json(words.json, found)


if __name__ == "__main__":
    finish(main)
