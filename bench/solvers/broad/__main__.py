"""`pt` and the solvers one can install beside it on many kinds of problems, with and without constraints.

    python -m bench.solvers.broad --instances DIR --out bench/solvers/broad/results
    python -m bench.solvers.broad --instances DIR --solvers pt --renew     the rows of one solver again
    python -m bench.solvers.broad --instances DIR --use tuning             instances of tuning, shown apart
    python -m bench.solvers.broad --mqlib bin/MQLib                        with heuristics of MQLib
    python -m bench.solvers.broad --report-only                            page and picture again

Instances are generated, or files of DIR. Those that defaults of `pt` were chosen on, or its changes judged by, are
marked as tuning; means and ranks are those of all others, and nothing may be tuned on these. Optima are known by
construction (planted states, tours and assignments, trees), proven by an exact method, or come with a file; where
none is known, gaps are from the best value of all runs.

Without constraints, solvers are those of `bench.solvers`, run as there. Problems with constraints go through `solve`:
`pt` keeps the constraints that it can, and the backends `neal`, `tabu`, `steepest-descent` and `genetic` get
penalties and multipliers, and their answers are repaired. All begin at the start of the formulation, where it has one,
and only feasible answers count.

One run of each solver, instance and seed has the whole budget, and ends early at a proven optimum. Gaps at earlier
moments are those of the best answer by then: `pt` reports as it goes, and the others are called with more and more
work, and report when a call returns (MQLib: by its own history). Seconds are those of the CPU, one thread; compiling,
importing and, for all but `pt`, converting a model beforehand are not counted. Every best answer is evaluated again.

What was run is kept as it comes, and the same command goes on with it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.command import add_folder_option, add_page_options, finish, make_parser
from bench.processes import one_thread
from bench.results import read_results, resumed
from bench.solvers.broad.page import page
from bench.solvers.broad.picture import draw
from bench.solvers.broad.results import BroadResults
from bench.solvers.broad.roster import chosen, entries
from bench.solvers.broad.run import Solvers, run
from bench.solvers.peers.constrained import CONSTRAINED
from bench.solvers.peers.mqlib import heuristics
from bench.solvers.peers.roster import SOLVERS, split
from bench.solvers.roster import FOLDER
from bench.solvers.run import setting
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError, suggestion
from qubo_dnn.files.common.output import write_atomically

RESULTS, REMARKS, PAGE = "results.json", "remarks.md", "README.md"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--seeds")
    add_folder_option(parser, "--instances", FOLDER, "further instances", "those that are generated")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="instances (default: all of --use)")
    parser.add_argument("--use", nargs="+", choices=("table", "tuning"), default=["table"])
    parser.add_argument("--solvers", nargs="+", metavar="NAME", help=f"of {', '.join({**SOLVERS, **CONSTRAINED})}")
    parser.add_argument("--mqlib", type=Path, metavar="PROGRAM", help="MQLib's program, whose heuristics run, too")
    parser.add_argument("--seconds", type=float, default=30.0, help="CPU seconds of a run")
    parser.add_argument("--processes", type=int, default=1, help="instances at a time")
    parser.add_argument("--renew", action="store_true", help="make the rows of --solvers again")
    add_page_options(parser, Path(__file__).parent / "results")
    words = parser.parse_args()
    if words.seconds <= 0:
        raise OptionError(f"--seconds must be above 0, not {words.seconds:g}")
    if words.renew and not words.solvers:
        raise OptionError("--renew needs --solvers, whose rows are made again")
    return words


def main() -> None:
    """Run, or read what was run, and write page and picture."""
    words = parse()
    further = {} if words.mqlib is None else heuristics(words.mqlib)
    free, constrained = {**SOLVERS, **further}, CONSTRAINED
    if not words.report_only:
        for name in words.solvers or ():
            if name not in {**free, **constrained}:
                raise OptionError(f"unknown solver {name!r}{suggestion(name, {**free, **constrained})}")
        one_thread()
        words.out.mkdir(parents=True, exist_ok=True)
        results = resumed(words.out / RESULTS, BroadResults, {"seconds": words.seconds})
        wanted = chosen(entries(words.instances), words.names, words.use)
        there = []
        for kind, peers in (("Without constraints", free), ("With constraints", constrained)):
            able, missing = split([peer for name, peer in peers.items() if name in (words.solvers or peers)])
            there.append(able)
            results.solvers.setdefault(kind, {}).update({peer.name: peer.settings for peer in able})
            results.missing = {**{k: v for k, v in results.missing.items() if k not in peers}, **missing}
            for name, why in missing.items():
                print(f"left out: {name} ({why})", flush=True)
        solvers = Solvers(*there)
        results.setting |= setting([*solvers.free, *solvers.constrained])
        if words.renew:
            results.drop({entry.name for entry in wanted}, words.solvers)

        def heard(text: str) -> None:
            write_json(words.out / RESULTS, asdict(results))
            print(text, flush=True)

        run(wanted, solvers, words.seeds, words.processes, results, heard)
    results = read_results(words.out / RESULTS, BroadResults)
    remarks = words.out / REMARKS
    text = page(results, __doc__ or "", remarks.read_text() if remarks.exists() else "")
    write_atomically(words.out / PAGE, text.encode())
    draw(results, words.out)


if __name__ == "__main__":
    finish(main)
