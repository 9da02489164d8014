"""Does a model of the loss order plans as the loss does? Predicted against true loss increase over random plans.

    python -m bench.compression.rank --data DIR --plans 80 --recover --json rank.json --pictures DIR

Half of the plans are random, each around an average width of its own between the least and the most; the others are
solved plans of several budgets with some of their units redrawn. The true loss increase is the divergence from the
network as it was, on calibration images that nothing was measured on; Spearman's rank correlation is given over all
plans and over the half of them with the smaller true increase, where plans of use lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from bench.command import finish, make_parser
from bench.compression.measurements.setting import Conditions, Setting
from bench.compression.measurements.situations import Recover, recovered
from bench.compression.methods.random_plans import neighbour, random_plan
from bench.compression.pictures import scatter
from bench.networks.loading import load
from bench.tables import Table
from qubo_dnn.cli.common.output import write_json
from qubo_dnn.compression.losses.losses import kl_divergence
from qubo_dnn.compression.network.inference import logits
from qubo_dnn.compression.task.task import CompressionTask
from qubo_dnn.errors import OptionError
from qubo_dnn.registry import get_backend
from qubo_dnn.solving.solve import solve
from qubo_formulations.pruning_quantization import PruningQuantization

OBJECTIVES = ("gauss-newton", "separable", "trace")
_SHARES = (0.01, 0.5)
_SOLVED_BUDGETS = (2.5, 3.0, 4.0)

TABLE = Table(
    "network | model of the loss | all plans | smaller half",
    "{network} | {objective} | {all:.3f} | {smaller half:.3f}",
)


@dataclass(frozen=True)
class Ranking:
    """Predictions for plans and what became of them.

    Attributes:
        stored_bits: per weight, of every plan.
        predicted: objective -> predicted loss increase of every plan, in nats.
        true: state of the network ("as-given", "recovered") -> held-out divergence of every plan, in nats.
    """

    stored_bits: list[float]
    predicted: Mapping[str, list[float]]
    true: Mapping[str, list[float]]

    def correlations(self) -> dict[str, dict[str, dict[str, float]]]:
        """State -> objective -> Spearman's rank correlation over "all" plans and over the "smaller half"."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for state, true in self.true.items():
            smaller = np.argsort(true, kind="stable")[: -(-len(true) // 2)]
            for objective, predicted in self.predicted.items():
                found.setdefault(state, {})[objective] = {
                    "all": _spearman(predicted, true),
                    "smaller half": _spearman(np.take(predicted, smaller), np.take(true, smaller)),
                }
        return found


def rank(setting: Setting, plans: int, recover: Recover | None = None) -> Ranking:
    """Predictions and truth for `plans` plans.

    Args:
        setting: gives the network, its sensitivity and the held-out images.
        plans: how many, >= 4.
        recover: what happens to a network after it was rewritten; None leaves that out.

    Raises:
        OptionError: fewer than 4 plans.
    """
    if plans < 4:
        raise OptionError(f"a rank correlation takes at least 4 plans, not {plans}")
    subject = setting.channels
    task = setting.measured.value
    models = {name: PruningQuantization.from_task(task, objective=name) for name in OBJECTIVES}
    choices = plans_to_rank(task, lambda limit: _solved(replace(task, limit=limit), setting.seed), plans, setting.seed)
    true: dict[str, list[float]] = {}
    for choice in choices:
        model = subject.rewritten(choice)
        networks = {"as-given": model, "recovered": recover(model, setting)} if recover else {"as-given": model}
        for state, network in networks.items():
            divergence = kl_divergence(setting.held_out_logits, logits(network, setting.held_out))
            true.setdefault(state, []).append(divergence)
    return Ranking(
        stored_bits=[subject.stored_bits(choice) for choice in choices],
        predicted={
            name: [_known(model.predicted_loss_increase(task.plan(choice))) for choice in choices]
            for name, model in models.items()
        },
        true=true,
    )


def plans_to_rank(
    task: CompressionTask, solved: Callable[[float], NDArray[np.intp]], plans: int, seed: int
) -> list[NDArray[np.intp]]:
    """Random plans of all sizes, and neighbours of solved ones.

    Args:
        task: gives costs.
        solved: from a limit in stored bits to a solved choice.
        plans: how many in all.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    least, most = (task.overhead + float(pick(task.cost, axis=1).sum()) for pick in (np.min, np.max))
    limits = [bits * task.weights for bits in _SOLVED_BUDGETS if least <= bits * task.weights]
    centres = [(limit, solved(limit)) for limit in limits]
    choices = [random_plan(task, rng.uniform(least, most), rng) for _ in range(plans - plans // 2)]
    for index in range(plans // 2):
        limit, centre = centres[index % len(centres)]
        share = np.exp(rng.uniform(*np.log(_SHARES)))
        choices.append(neighbour(task, centre, share, limit, rng))
    return choices


def _solved(task: CompressionTask, seed: int) -> NDArray[np.intp]:
    problem = PruningQuantization.from_task(task, objective="gauss-newton").compile()
    return task.choice(solve(problem, get_backend("pt"), {"seed": seed}).best.value)


def _known(prediction: float | None) -> float:
    if prediction is None:
        raise OptionError("the formulation predicts no loss")
    return prediction


def _spearman(first: Sequence[float] | NDArray[Any], second: Sequence[float] | NDArray[Any]) -> float:
    return float(spearmanr(first, second).statistic)


def main() -> None:
    """Print a table of correlations; write the points and their pictures."""
    parser = make_parser(__doc__, "--data", "--seed", "--json")
    parser.add_argument("--plans", type=int, default=80)
    parser.add_argument("--calibration-size", type=int, default=Conditions.calibration_size)
    parser.add_argument("--compensation", default=Conditions.compensation, help="none or gptq")
    parser.add_argument("--recover", action="store_true", help="also after recovery")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder for scatter plots")
    words = parser.parse_args()
    model, calibration, _ = load(words.data)
    conditions = Conditions(calibration_size=words.calibration_size, compensation=words.compensation)
    setting = Setting(model, calibration, words.seed, conditions)
    ranking = rank(setting, words.plans, recovered if words.recover else None)
    correlations = ranking.correlations()
    TABLE.print(
        {"network": state, "objective": objective, **found}
        for state, by_objective in correlations.items()
        for objective, found in by_objective.items()
    )
    if words.json:
        chosen = {name: getattr(words, name) for name in ("seed", "calibration_size", "compensation")}
        write_json(words.json, {**chosen, "correlations": correlations, **vars(ranking)})
    if words.pictures:
        for state, true in ranking.true.items():
            titles = {name: f"{name}, {found['all']:.2f}" for name, found in correlations[state].items()}
            scatter(true, ranking.predicted, titles, words.pictures, f"rank-{state}")


if __name__ == "__main__":
    finish(main)
