"""What refitting the weights adds to the repair of biases and BatchNorm, with the same plans.

    python -m bench.compression.reconstruction --data DIR --seeds 0 1 2 --json F

Plans prune and quantize all layers within stored bits per weight; `bench.removal` has removal alone. A plan is found
without refitting, in one round, and then carried out with every repair. Repairs use the images that were measured on,
and are kept if they lower the divergence on images judged on; test images are for the table alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from torch import nn

from bench.command import finish, make_parser
from bench.compression.measurements.setting import Conditions, Setting
from bench.networks.loading import load
from bench.processes import timed
from bench.tables import Row, Table, grouped, with_range
from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
from qubo_dnn.compression.network.inference import evaluate
from qubo_dnn.compression.network.layers import find_layers
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.rewriting.reconstruction import Reconstruction
from qubo_dnn.compression.search.plan_evaluator import AppliedPlan, PlanEvaluator
from qubo_dnn.compression.task.plan import Plan

REPAIRS = ("none", "biases and BatchNorm", "and reconstruction")

TABLE = Table(
    "plan | repair | test accuracy, % | test divergence, nats | held-out divergence, nats | repair, s",
    lambda rows: (
        *(rows[0]["plan"], rows[0]["repair"]),
        with_range([100 * row["accuracy"] for row in rows], ".2f"),
        *(with_range([row[name] for row in rows], ".4f") for name in ("test_divergence", "held_out_divergence")),
        with_range([row["seconds"] for row in rows], ".1f"),
    ),
)
ROWS = Table(
    "plan | repair | seed | test accuracy | held-out divergence, nats",
    "{plan} | {repair} | {seed} | {accuracy:.2%} | {held_out_divergence:.4f}",
)


def carried_out(
    plan: Plan, model: nn.Module, candidates: Candidates, data: Data, judge: HeldOutDivergence, seed: int
) -> Iterator[tuple[str, AppliedPlan, float]]:
    """Carry a plan out with every repair: its name, the applied plan, and the seconds."""
    refit = Reconstruction(find_layers(model), data, seed=seed)
    for repair in REPAIRS:
        evaluator = PlanEvaluator(
            *(model, candidates, data, judge),
            recovery="none" if repair == REPAIRS[0] else "auto",
            reconstruction=refit if repair == REPAIRS[2] else None,
        )
        applied, seconds = timed(_carry_out, evaluator, plan)
        yield repair, applied, seconds


def _carry_out(evaluator: PlanEvaluator, plan: Plan) -> AppliedPlan:
    return evaluator.refitted(evaluator(plan))


def rows(words: argparse.Namespace) -> Iterator[Row]:
    """One row for every seed, plan and repair."""
    model, calibration, test = load(words.data)
    test = test.subset(min(len(test), words.test_size), 0)
    conditions = Conditions(rounds=1)
    for seed in words.seeds:
        setting = Setting(model, calibration, seed, conditions)
        images, judge = setting.measured_on, setting.judge
        for bits in words.budgets:
            found = setting.search("gauss-newton", "auto").run(bits * setting.channels.task.weights)
            plan, name = found.applied.plan, f"{bits:g} bits"
            candidates = setting.channels.candidates
            for repair, applied, seconds in carried_out(plan, model, candidates, images, judge, seed):
                tested = evaluate(applied.network, test, reference=model, loss=CROSS_ENTROPY)
                yield {
                    **{"seed": seed, "plan": name, "repair": repair, "accuracy": tested.accuracy},
                    **{"test_divergence": tested.divergence, "held_out_divergence": applied.held_out.divergence},
                    **{"parts": list(applied.repaired), "seconds": seconds},
                }


def main() -> None:
    """Carry plans out with every repair, and print a table."""
    parser = make_parser(__doc__, "--data", "--seeds", "--json")
    parser.add_argument("--budgets", type=float, nargs="*", default=[2.0, 2.5, 3.0], help="stored bits per weight")
    parser.add_argument("--test-size", type=int, default=2500)
    words = parser.parse_args()
    found = ROWS.print(rows(words), words.json)
    print()
    print(TABLE.markdown(grouped(found, "plan", "repair").values()))


if __name__ == "__main__":
    finish(main)
