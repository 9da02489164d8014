"""Reinforcement learning: a policy chooses options site by site, similar to AMC and HAQ, with torch.

As in AMC (He et al. 2018, arXiv 1802.03494) and HAQ (Wang et al. 2019, arXiv 1811.08886), an agent visits the units in
order. It observes its position, the features of the unit (biases and costs of its options), the remaining budget and
its previous choice. Its actions are clipped to those with which the budget can still be met. The reward comes at the
end of the episode and is the same for all its actions, minus a baseline.

The differences: AMC and HAQ train the actor by DDPG on a continuous action that is rounded to a width, and explore by
noise. Here options are a set without an order (pruned, 4 bits, 4 bits masked), so the action is categorical, and PPO
(Schulman et al. 2017, arXiv 1707.06347) trains the policy with an entropy bonus that decreases to 0, as is usual for
categorical actions. There is no critic: with a reward only at the end, the mean of a batch of episodes is a baseline
that need not be learned, and episodes are cheap here. A table of scores supplements the policy, see
`qubo_backends._reinforcement.policy.Policy`. HAQ lowers widths after an episode that exceeds the budget; clipping at
every step, as in AMC, avoids this.

stable-baselines3 and torchrl are not used. The former has no categorical PPO with action masks (sb3-contrib has), and
passes every step of every episode through a Python environment; here one step serves all episodes of a batch. The rest
of both packages, buffers of transitions and loops, is a page of code.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
from pydantic import Field, JsonValue

from qubo_backends._choices.backend import ChoiceSearch
from qubo_backends._choices.run import LISTED, Task, run
from qubo_backends._shared import sampling
from qubo_dnn.backend import UNSEEN, BlackBox, SolveOptions
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.problem import Problem
from qubo_dnn.support.extras import require

_EASY: dict[str, JsonValue] = {UNSEEN: "the best states of small models are found with any value"}


class ReinforcementOptions(SolveOptions):
    """Options of `reinforcement`; it returns the `num_reads` best different states (default 1), repeated from the best
    if there are fewer. A training ends when it has seen every state. It enumerates all states if they are at most as
    many as a batch, or without `trainings` at most 4,096 (or `episodes`, if that is less) with known coefficients.

    Example:
        >>> ReinforcementOptions(episodes=2560, seed=1).batch_size
        256
    """

    episodes: int = Field(
        default=12_800,
        ge=1,
        examples=[1],
        description="number of episodes of the first training, which ends early if all episodes are equal",
    )
    trainings: int | None = Field(
        default=None,
        ge=1,
        description="number of consecutive trainings of new policies, each 1.5 times as long as the previous one "
        "(default: 1; with time_limit: no limit)",
        json_schema_extra=_EASY,
    )
    batch_size: int = Field(default=256, ge=2, le=100_000, description="number of episodes per training step")
    learning_rate: float = Field(default=0.03, gt=0, le=1, description="Adam step size")
    entropy: float = Field(
        default=0.05,
        ge=0,
        description="initial weight of the entropy bonus, in standard deviations of the reward",
        json_schema_extra=_EASY,
    )
    hidden_units: int = Field(
        default=32, ge=1, le=4096, description="number of units in each of the policy's two layers"
    )
    epochs: int = Field(default=4, ge=1, le=100, examples=[1], description="number of steps on the same episodes")
    top: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="share of the best episodes used for learning; 1: all episodes",
        json_schema_extra=_EASY,
    )
    clip: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="largest relative change of the probability of an action in a step",
        json_schema_extra=_EASY,
    )


class ReinforcementBackend(ChoiceSearch):
    """Reinforcement learning on this machine.

    Example:
        >>> bqm = dimod.BinaryQuadraticModel({"a": -1.0, "b": 2.0}, {("a", "b"): 1.0}, 0.0, "BINARY")
        >>> best = ReinforcementBackend().sample(bqm, ReinforcementOptions(seed=1)).first
        >>> int(best.sample["a"]), int(best.sample["b"]), float(best.energy)
        (1, 0, -1.0)
    """

    name: ClassVar[str] = "reinforcement"
    summary: ClassVar[str] = "reinforcement learning (PPO) on this machine, with native one-hot groups and inequalities"
    options_type: ClassVar[type[SolveOptions]] = ReinforcementOptions

    def run(self, problem: Problem[Any], options: SolveOptions, energies: BlackBox | None) -> dimod.SampleSet:
        """See `ChoiceSearch.run`. With a black-box objective, the features do not include biases."""
        options = sampling.typed_options(self, options, ReinforcementOptions)
        trainings = options.trainings
        if trainings is None and options.time_limit is None:
            trainings = 1
        require("torch", "torch", BackendUnavailableError)

        def search(task: Task) -> dict[str, Any]:
            # torch takes seconds to load, so load it at its first use, outside the measured time.
            with task.watch.stopped():
                from qubo_backends._reinforcement.training import train, warm_up

                warm_up()
            return train(task, options, trainings)

        by_default = options.trainings is None and energies is None
        listed = max(options.batch_size, min(options.episodes, LISTED)) if by_default else options.batch_size
        return run(self, problem, options, search, listed, energies)
