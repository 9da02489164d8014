"""Backends on chains with a budget of multiply-accumulates, beside the exact optimum.

    OMP_NUM_THREADS=1 python -m bench.macs --json bench/macs/results.json

A chain is convolutions in the manner of VGG and a Linear, with a random loss for every channel that is removed. Without
pairs, only the number of channels kept in every layer matters, and dynamic programming finds the optimum
(`bench.macs.counts`). The backends get the same problem channel by channel, with its quadratic budget, and know nothing
of counts. Gaps are relative to the optimum. `price` is the gap of the bound by a price of multiply-accumulates: as much
as a price may miss before answers are repaired. `pt`, `genetic`, `reinforcement` and `exact-milp` keep the budget
itself; the other backends get it as such a price.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from bench.command import finish, make_parser
from bench.macs.chains import vgg_chain
from bench.macs.counts import best_counts
from bench.tables import Row, Table
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization

BACKENDS = ("pt", "neal", "tabu", "genetic", "reinforcement")
TABLE = Table(
    "channels | budget | seed | backend | gap | price | budget used | calls | s",
    "{channels} | {share:.0%} | {seed} | {backend} | {gap:.2%} | {price:.2%} | {used:.2%} | {calls} | {seconds:.2g}",
)


def rows(
    widths: Sequence[int], shares: Sequence[float], seeds: Sequence[int], backends: Sequence[str], seconds: float
) -> Iterator[Row]:
    """One row per chain, budget and backend."""
    for share in shares:
        for seed in seeds:
            chain = vgg_chain(tuple(widths), share, seed)
            exact = best_counts(chain)
            problem = PruningQuantization(chain.task, objective="separable").compile()
            for name in backends:
                started = time.perf_counter()
                solution = solve(problem, get_backend(name), {"seed": seed, "time_limit": seconds})
                choice = chain.task.choice(solution.best.value)
                yield {
                    **{"channels": " ".join(map(str, widths)), "share": share, "seed": seed, "backend": name},
                    # Losses are single-precision numbers to the backends; adding 0 turns -0 into 0.
                    "gap": round(solution.best.objective / exact.loss - 1.0, 6) + 0.0,
                    "price": 1.0 - exact.bound / exact.loss,
                    "used": chain.task.budgets[0].used(choice) / chain.limit,
                    "feasible": solution.best.feasible,
                    "calls": len(solution.calls),
                    "seconds": time.perf_counter() - started,
                }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of all rows."""
    parser = make_parser(__doc__, "--seeds", "--json")
    parser.add_argument(
        "--widths", type=int, nargs="+", default=[16, 16, 32, 32, 64, 64], help="channels of the layers"
    )
    parser.add_argument("--shares", type=float, nargs="+", default=[0.6, 0.3], help="budgets")
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), metavar="NAME")
    parser.add_argument("--time-limit", type=float, default=4.0, help="seconds for each backend")
    words = parser.parse_args(arguments)
    found = rows(words.widths, words.shares, words.seeds, words.backends, words.time_limit)
    TABLE.print(found, words.json)


if __name__ == "__main__":
    finish(main)
