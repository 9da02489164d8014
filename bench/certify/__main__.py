"""Proofs for pruning-quantization problems of one network: this project's, SCIP's, HiGHS's and CP-SAT's.

    python -m bench.certify --data DIR --granularities layer --bits 3 4 --out bench/certify/results
    python -m bench.certify --data DIR --granularities channel --methods certify --time-limit 900

Every method gets the same problem and the same time, on one thread. `certify` is given the energy of `pt`'s answer, the
others find an answer as they go. Seconds are of the process's CPU time; the gap is relative to `pt`'s energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.certify.methods import METHODS
from bench.certify.run import TABLE, rows
from bench.command import finish, make_parser
from bench.processes import measured, one_thread
from qubo_dnn.cli.common.output import write_json


def main(arguments: Sequence[str] | None = None) -> None:
    """Try every method on every problem and print a table."""
    parser = make_parser(__doc__, "--data", "--seed")
    parser.add_argument("--granularities", nargs="+", default=["layer"])
    parser.add_argument("--bits", type=float, nargs="+", default=[3.0, 4.0], help="budgets in stored bits per weight")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds for each method")
    parser.add_argument("--pt-seconds", type=float, default=5.0, help="seconds for pt")
    parser.add_argument("--calibration-size", type=int, default=768)
    parser.add_argument("--out", type=Path, help="folder to write a file named by the granularities to")
    words = parser.parse_args(arguments)
    one_thread()
    found = TABLE.print(
        row
        for granularity in words.granularities
        for bits in words.bits
        for row in measured(rows, words, bits, granularity).value
    )
    if words.out:
        words.out.mkdir(parents=True, exist_ok=True)
        write_json(words.out / f"{'-'.join(words.granularities).replace(':', '')}.json", [asdict(row) for row in found])


if __name__ == "__main__":
    finish(main)
