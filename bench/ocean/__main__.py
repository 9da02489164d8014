"""The tests of dwave-samplers and dwave-neal, run against the backends `neal`, `tabu`, `steepest-descent` and
`path-integral` with nothing but the import of the sampler replaced, and against the samplers themselves.

    git clone https://github.com/dwavesystems/dwave-samplers; git clone https://github.com/dwavesystems/dwave-neal
    python -m bench.ocean --checkout dwave-samplers dwave-neal

The command fails if a test fails with a backend alone, unless it is a known difference. Files about compiled functions
(`test_greedy.py` and others), composites and samplers without a backend (random, tree, planar, rotor) are not run:
there is no import to replace.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.command import finish, make_parser
from bench.ocean.suites import DIFFERENCES, SUITES, Outcome, run
from bench.processes import measured
from bench.tables import Row, Table
from qubo_dnn.errors import FileFormatError

TABLE = Table(
    "file | tests | fail with the original | fail with the backend | known differences",
    "{name} | {tests} | {original} | {backend} | {known}",
)


def unexpected(original: Outcome, backend: Outcome) -> dict[str, str]:
    """Tests that fail with the backend alone, without a known difference.

    Example:
        >>> unexpected(Outcome(2, {"slow": "late"}), Outcome(2, {"slow": "late", "new": "ValueError"}))
        {'new': 'ValueError'}
    """
    return {
        name: text for name, text in backend.failed.items() if name not in original.failed and name not in DIFFERENCES
    }


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--checkout", type=Path, nargs="+", metavar="DIR", required=True, help="folders with `tests`")
    folders = parser.parse_args().checkout
    rows: list[Row] = []
    faults: dict[str, str] = {}
    for suite in SUITES:
        for path in filter(Path.exists, (folder / "tests" / suite.file for folder in folders)):
            original, backend = (measured(run, suite, path, replaced).value for replaced in (False, True))
            known = [name for name in backend.failed if name in DIFFERENCES]
            rows.append(
                {
                    "name": suite.name,
                    "tests": backend.tests,
                    "original": len(original.failed),
                    "backend": len(backend.failed),
                    "known": len(known),
                }
            )
            faults |= unexpected(original, backend)
    if not rows:
        raise FileFormatError("no folder of --checkout has a test file of dwave-samplers or dwave-neal in `tests`")
    print(TABLE.markdown(rows), end="\n\n")
    for name, reason in DIFFERENCES.items():
        print(f"- known: {name}: {reason}")
    for name, text in faults.items():
        print(f"unexpected: {name}: {text}", file=sys.stderr)
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    finish(main)
