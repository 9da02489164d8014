"""The measured divergence of a plan's network on calibration images, as the objective in place of a model."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qubo_dnn.compression.data.dataset import Data
from qubo_dnn.compression.losses.losses import Loss
from qubo_dnn.compression.network.inference import Progress
from qubo_dnn.compression.network.layers import Layer, find_layers
from qubo_dnn.compression.quantization.activation_grid import set_activation_grids_
from qubo_dnn.compression.quantization.candidates import Candidates
from qubo_dnn.compression.rewriting.held_out import HeldOutDivergence
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import Plan
from qubo_dnn.problem import Problem


class MeasuredReward:
    """Energies of states: the divergence of the network of each state, measured once per plan.

    The weights of every layer at every option stay in memory, so a plan is applied by selecting channels; layers whose
    options do not change from one plan to the next are not touched.

    Args:
        model: the original network; not changed.
        candidates: weights to choose from.
        data: images to measure on.
        loss: the loss that defines the divergence.
        problem: the problem of the states.
        progress: called after every plan with the number of plans measured, twice, because the total is unknown.

    Attributes:
        evaluations: number of plans measured, each once.
        repeated: number of states requested again.
        seconds: wall-clock seconds for applying and measuring plans.

    Example:
        >>> import dimod
        >>> from qubo_dnn.compression.losses.losses import CROSS_ENTROPY
        >>> from qubo_dnn.compression.quantization.candidates import make_candidates
        >>> from qubo_dnn.compression.task.plan import LayerPlan
        >>> network, data = nn.Sequential(nn.Linear(3, 2)), Data.from_tensors(torch.eye(3), torch.arange(3) % 2)
        >>> candidates = make_candidates(find_layers(network), [Option(0), Option(4)])
        >>> objective = dimod.BinaryQuadraticModel({"keep": 0.0}, {}, "BINARY")
        >>> def decode(sample):
        ...     return Plan({"0": LayerPlan(2, (Option(4 if sample["keep"] else 0),))})
        >>> problem = Problem(objective=objective, decoder=decode)
        >>> reward = MeasuredReward(network, candidates, data, CROSS_ENTROPY, problem)
        >>> reward(np.array([[1], [0], [1]], np.int8)).shape, reward.evaluations, reward.repeated
        ((3,), 2, 1)
    """

    def __init__(
        self,
        model: nn.Module,
        candidates: Candidates,
        data: Data,
        loss: Loss,
        problem: Problem[Plan],
        progress: Progress | None = None,
    ) -> None:
        self.evaluations, self.repeated, self.seconds = 0, 0, 0.0
        self._judge = HeldOutDivergence(model, data, loss)
        self._problem, self._progress = problem, progress
        self._network = copy.deepcopy(model)
        layers = {layer.name: layer for layer in find_layers(self._network).layers if layer.name in candidates.layers}
        self._layers = [_Switched(layer, candidates, name) for name, layer in layers.items()]
        self._activations = candidates.activations
        self._known: dict[bytes, float] = {}

    def __call__(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        """See `qubo_dnn.backend.BlackBox`.

        Raises:
            ModelError: the outputs of a network are not finite.
        """
        return np.array([self._energy(row) for row in rows], float)

    def _energy(self, row: NDArray[np.int8]) -> float:
        key = row.tobytes()
        if key in self._known:
            self.repeated += 1
            return self._known[key]
        started = time.perf_counter()
        plan = self._problem.decoder(dict(zip(self._problem.variables, row.tolist(), strict=True)))
        for layer in self._layers:
            layer.switch(plan)
        set_activation_grids_(self._network, self._activations.grids(plan))
        divergence = self._judge(self._network).divergence
        self.evaluations += 1
        self.seconds += time.perf_counter() - started
        self._known[key] = divergence
        if self._progress:
            self._progress(self.evaluations, self.evaluations)
        return divergence


class _Switched:
    """A layer whose channels can be switched between options."""

    def __init__(self, layer: Layer, candidates: Candidates, name: str) -> None:
        self._weight, self._layout, self._name = layer.weight, layer.layout, name
        self._index = {option: k for k, option in enumerate(candidates.options)}
        self._rows = layer.layout.rows(candidates.weights(name))
        self._channel = torch.arange(layer.channels)
        self._now: list[Option] | None = None

    def switch(self, plan: Plan) -> None:
        """Give every channel the weights of its option; layers that the plan does not name do not change."""
        if self._name not in plan.layers:
            return
        options = plan.layers[self._name].channel_options(len(self._channel))
        if options == self._now:
            return
        chosen: Tensor = torch.tensor([self._index[option] for option in options])
        with torch.no_grad():
            self._weight.copy_(self._layout.weight(self._rows[chosen, self._channel]))
        self._now = options
