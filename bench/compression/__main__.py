"""Compare ways of choosing bit widths: one network, one quantizer, equal budgets, several seeds.

    python -m bench.compression                  the zoo's network and its images
    python -m bench.compression --data DIR       ResNet-20 on CIFAR-10

DIR (or the environment variable QUBO_DNN_BENCH_DATA) holds resnet_cifar.py with its weights resnet20.safetensors,
cifar10_calibration.npz and cifar10_test.npz. A seed draws the calibration images and seeds the solver; the sensitivity
is measured once a seed and shared by all methods. No recovery and no fine-tuning. The held-out divergence is of
calibration images that nothing was measured on; test images are looked at for the table alone.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from qubo_dnn.compression.data import Data, load_data
from qubo_dnn.compression.evaluate import evaluate, kl_divergence, logits
from qubo_dnn.compression.layers import find_layers
from qubo_dnn.compression.measure import layer_changes, unmeasured_task
from qubo_dnn.compression.network import load_network
from qubo_dnn.compression.options import Option
from qubo_dnn.compression.plan import LayerPlan, Plan
from qubo_dnn.compression.rewrite import apply_plan_, bits_per_weight
from qubo_dnn.compression.sensitivity import gauss_newton
from qubo_dnn.compression.task import check_compression
from qubo_dnn.registry import get_backend, get_formulation
from qubo_dnn.solve import solve

DATA = "QUBO_DNN_BENCH_DATA"


@dataclass(frozen=True)
class Method:
    """A way of choosing bit widths."""

    label: str
    formulation: str
    backend: str
    parameters: dict[str, Any] = field(default_factory=dict)


METHODS = (
    Method("trace x squared error", "pruning-quantization", "pt", {"objective": "trace"}),
    Method("separable", "pruning-quantization", "pt", {"objective": "separable"}),
    Method("gauss-newton", "pruning-quantization", "pt"),
    *(Method(f"aqc, {backend}", "aqc-pruning-quantization", backend) for backend in ("pt", "neal", "path-integral")),
)


def shrunk(shrinkages: list[float]) -> list[Method]:
    """The pairwise objective at other values of its shrinkage."""
    return [Method(f"gauss-newton, r = {r}", "pruning-quantization", "pt", {"shrinkage": r}) for r in shrinkages]


@dataclass(frozen=True)
class Row:
    """What one method reached with one seed."""

    method: str
    budget: float
    seed: int
    bits_per_weight: float
    accuracy: float
    loss: float
    held_out_divergence: float
    objective: float | None
    solve_seconds: float


def load(folder: Path | None) -> tuple[nn.Module, Data, Data]:
    """The network, its calibration images and its test images."""
    if folder is None:
        from qubo_dnn import zoo

        entry = zoo.load("mnist-cnn")
        return load_network("zoo:mnist-cnn"), entry.calibration, entry.test
    sys.path.insert(0, str(folder))
    import resnet_cifar  # type: ignore[import-not-found]  # from the folder the caller names

    normal = (resnet_cifar.MEAN, resnet_cifar.STD)
    network = load_network("resnet_cifar:resnet20", folder / "resnet20.safetensors")
    calibration, test = (load_data(str(folder / f"cifar10_{part}.npz"), *normal) for part in ("calibration", "test"))
    return network, calibration, test


def measure(model: nn.Module, images: Data, seed: int, options: tuple[Option, ...], needed: bool) -> tuple[Any, float]:
    """The network's task without a limit yet, and the seconds its sensitivity took."""
    started = time.perf_counter()
    changes = layer_changes(find_layers(model), "channel", options)
    task = unmeasured_task(changes, options, float("inf"))
    if needed:
        task = replace(task, sensitivity=gauss_newton(model, changes, images, seed=seed).numpy())
    return task, time.perf_counter() - started


def judge(model: nn.Module, plan: Plan, held_out: Data, test: Data) -> dict[str, float]:
    """Accuracy, loss, divergence and size of a network rewritten by `plan`."""
    compressed = copy.deepcopy(model)
    apply_plan_(compressed, plan)
    reached = evaluate(compressed, test)
    return {
        "bits_per_weight": bits_per_weight(compressed, plan),
        "accuracy": reached.accuracy,
        "loss": reached.loss,
        "held_out_divergence": kl_divergence(logits(model, held_out), logits(compressed, held_out)),
    }


def run(model: nn.Module, calibration: Data, test: Data, words: argparse.Namespace) -> Iterator[Row]:
    """All rows, as they come."""
    for budget in words.budgets:
        if budget.is_integer():
            layers = {
                layer.name: LayerPlan(layer.channels, (Option(int(budget)),)) for layer in find_layers(model).layers
            }
            held_out = calibration.split(words.calibration_size, 0)[1]
            found = judge(model, Plan(layers), held_out, test)
            yield Row(method="uniform", budget=budget, seed=0, objective=None, solve_seconds=0.0, **found)
    for seed in words.seeds:
        measured_on, held_out = calibration.split(words.calibration_size, seed)
        tasks: dict[tuple[Option, ...], Any] = {}
        for method in (*METHODS, *shrunk(words.shrinkages)):
            formulation = check_compression(get_formulation(method.formulation))
            options = formulation.default_options
            if options not in tasks:
                tasks[options], seconds = measure(model, measured_on, seed, options, formulation.needs_sensitivity)
                print(f"seed {seed}: {method.formulation} measured in {seconds:.1f} s", file=sys.stderr)
            for budget in words.budgets:
                task = replace(tasks[options], limit=budget * tasks[options].weights)
                problem = formulation.from_task(task, **method.parameters).compile()
                solution = solve(problem, get_backend(method.backend), {"seed": seed})
                found = judge(model, solution.best.value, held_out, test)
                yield Row(
                    method=method.label,
                    budget=budget,
                    seed=seed,
                    objective=solution.best.objective,
                    solve_seconds=solution.seconds,
                    **found,
                )


def print_table(rows: list[Row], reference: float) -> None:
    """Mean and range over the seeds, in Markdown."""
    print(f"\nreference accuracy {100 * reference:.2f} %\n")
    print(
        "| budget | method | stored bits | test accuracy, % | held-out divergence, nats | solve, s |\n"
        + "|---" * 6
        + "|"
    )
    for budget, method in dict.fromkeys((row.budget, row.method) for row in sorted(rows, key=lambda r: r.budget)):
        chosen = [row for row in rows if (row.budget, row.method) == (budget, method)]
        accuracies = [100 * row.accuracy for row in chosen]
        spread = f" ({min(accuracies):.2f} to {max(accuracies):.2f})" if len(chosen) > 1 else ""
        means = [
            statistics.fmean(getattr(row, name) for row in chosen)
            for name in ("bits_per_weight", "held_out_divergence", "solve_seconds")
        ]
        mean = statistics.fmean(accuracies)
        print(f"| {budget} | {method} | {means[0]:.3f} | {mean:.2f}{spread} | {means[1]:.4f} | {means[2]:.1f} |")


def main() -> None:
    """Parse the command line, run, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get(DATA), help="folder of the ResNet-20 benchmark")
    parser.add_argument("--budgets", type=float, nargs="+", default=[2.5, 3.0], help="stored bits per weight")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--shrinkages", type=float, nargs="*", default=[], help="further values for gauss-newton")
    parser.add_argument("--calibration-size", type=int, default=512)
    parser.add_argument("--json", type=Path, help="file to write all rows to")
    words = parser.parse_args()
    model, calibration, test = load(Path(words.data) if words.data else None)
    rows = []
    for row in run(model, calibration, test, words):
        print(row, file=sys.stderr)
        rows.append(row)
    reference = evaluate(model, test)
    print_table(rows, reference.accuracy)
    if words.json:
        about = {"reference": asdict(reference), "calibration_size": words.calibration_size}
        words.json.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
