"""`pt` and the samplers one can install beside it, on the same instances for the same CPU time, several seeds.

    python -m bench.solvers --out DIR                       generated instances
    python -m bench.solvers --instances DIR --out DIR       instances of a folder: Gset, QUBO, OR-Library, QPLIB, QAPLIB
    python -m bench.solvers --whole --names G22 --out DIR   every run to the end of its time: flips of long runs
    python -m bench.solvers --report-only --out DIR         page and picture again, from results.json

One thread; seconds are those of the process's CPU time: further threads gain nothing and waiting costs nothing, but
what shares the core slows it down, so that figures are compared within one run. Within an instance the solvers take
turns, seed by seed. Compiling, importing and, for all but `pt`, converting the model into the solver's own form are
done beforehand and not counted. An answer counts when the solver's call returns it, or by its callback; every best
energy is computed again from its sample. A run ends at the best known value where that comes from the literature, and
goes on where it is only the best seen, or with --whole.

`pt` was tuned on most of these instances; `python -m bench.solvers.broad` compares on others.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from bench.command import finish, make_parser
from bench.processes import one_thread
from bench.results import read_results
from bench.solvers.figures import best_of
from bench.solvers.page import HEADINGS, page, rows
from bench.solvers.peers.roster import SOLVERS, available
from bench.solvers.picture import draw
from bench.solvers.roster import add_options, asked, generated, remember
from bench.solvers.run import InstanceSummary, SolverResults, compare, setting
from bench.tables import header
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically

RESULTS = "results.json"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = make_parser(__doc__, "--seeds")
    add_options(parser)
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU seconds of a run")
    parser.add_argument("--whole", action="store_true", help="go on at the best known value")
    parser.add_argument("--solvers", nargs="+", metavar="NAME", help=f"default: all of {', '.join(SOLVERS)}")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"folder for {RESULTS}, README.md and the picture")
    parser.add_argument("--report-only", action="store_true", help="run nothing; page and picture from --out")
    parser.add_argument("--remember", action="store_true", help="keep better values of generated instances")
    words = parser.parse_args()
    if words.seconds <= 0:
        raise OptionError(f"--seconds must be above 0, not {words.seconds:g}")
    if words.report_only and words.out is None:
        raise OptionError("--report-only needs --out, the folder of the results")
    return words


def read(folder: Path) -> SolverResults:
    """The results of a folder.

    Raises:
        FileFormatError: it has none.
    """
    return read_results(folder / RESULTS, SolverResults)


def report(results: SolverResults, folder: Path) -> None:
    """Write page and picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: they cannot be written.
    """
    draw(results, folder)
    write_atomically(folder / "README.md", page(results, __doc__ or "").encode())


def main() -> None:
    """Run, print rows as they come, and write the results."""
    words = parse()
    if words.report_only:
        report(read(words.out), words.out)
        return
    one_thread()
    peers, missing = available(words.solvers)
    for name, why in missing.items():
        print(f"left out: {name} ({why})")
    instances = asked(words)
    results = SolverResults(words.seconds, {peer.name: peer.settings for peer in peers}, missing, setting(peers))
    if words.out is not None:
        words.out.mkdir(parents=True, exist_ok=True)

    def done(about: InstanceSummary) -> None:
        print("\n".join(rows(results, about)), flush=True)
        if words.out is not None:
            write_json(words.out / RESULTS, asdict(results))
        if words.remember and about.name in generated():
            best = best_of(results, about.name)
            if best.source == "best of the run":
                remember({about.name: best.value})

    print(header(HEADINGS), flush=True)
    compare(peers, instances, results, words.seeds, done, whole=words.whole)
    if words.out is not None:
        report(results, words.out)


if __name__ == "__main__":
    finish(main)
