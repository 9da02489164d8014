"""Reinforcement learning: a policy chooses options site by site, in the manner of AMC and HAQ, by torch.

Kept of AMC (He et al. 2018, arXiv 1802.03494) and HAQ (Wang et al. 2019, arXiv 1811.08886): an agent walks through
the units in order; it observes where it is, the unit's features (the biases of its options in the model, what they
cost), the budget that is left and what it chose before; its actions are clipped to those with which the budget can
still be met; and the reward comes at the end of the episode, the same for each of its actions, less a baseline.

Different, and why: their actor is trained by DDPG on a continuous action that is rounded to a width, and explores by
noise. Here options are a set without an order (pruned, 4 bits, 4 bits masked), so the action is categorical, and the
policy is trained by PPO (Schulman et al. 2017, arXiv 1707.06347) with an entropy bonus that is annealed to 0, as is
usual for categorical actions. Their critic is left out: with a reward at the end alone, the mean of a batch of
episodes, which cost next to nothing here, is a baseline that need not be learned. There is a table of scores besides,
see `qubo_backends._reinforcement.policy.Policy`. HAQ lowers widths in turn after an episode that missed the budget;
clipping at every step, as AMC does, never gets there.

stable-baselines3 and torchrl are not used: the former has no categorical PPO with masks of actions (that is in
sb3-contrib), and passes every step of every episode through an environment in Python; here a step is one for all
episodes of a batch, and what both would bring besides, buffers of transitions and loops, is a page of code.
"""

from __future__ import annotations

from typing import Any, ClassVar

import dimod
from pydantic import Field, JsonValue

from qubo_backends import _sampling
from qubo_backends._choices.backend import ChoiceSearch
from qubo_backends._choices.run import LISTED, Task, run
from qubo_dnn.backend import UNSEEN, BlackBox, SolveOptions
from qubo_dnn.errors import BackendUnavailableError
from qubo_dnn.extras import require
from qubo_dnn.problem import Problem

_EASY: dict[str, JsonValue] = {UNSEEN: "the best states of small models are found with any value"}


class ReinforcementOptions(SolveOptions):
    """Options of `reinforcement`; the `num_reads` best different states are returned (default 1), the best again if
    there are fewer. A training ends when every state was seen. No more states than a batch, or without `trainings`
    than 4,096 (or `episodes`, if that is less) whose coefficients are known, are looked at one by one.
    """

    episodes: int = Field(
        default=12_800,
        ge=1,
        examples=[1],
        description="of the first training, which ends earlier when all episodes are the same",
    )
    trainings: int | None = Field(
        default=None,
        ge=1,
        description="of policies, one after another, each half as long again as the one before (default: 1; with "
        "time_limit: until it ends)",
        json_schema_extra=_EASY,
    )
    batch_size: int = Field(default=256, ge=2, le=100_000, description="episodes that are played before a step")
    learning_rate: float = Field(default=0.03, gt=0, le=1, description="of Adam")
    entropy: float = Field(
        default=0.05,
        ge=0,
        description="weight of the entropy bonus at first, in standard deviations of the reward",
        json_schema_extra=_EASY,
    )
    hidden_units: int = Field(default=32, ge=1, le=4096, description="in each of the policy's two layers")
    epochs: int = Field(default=4, ge=1, le=100, examples=[1], description="steps on the same episodes")
    top: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="share of the best episodes that are learned from; 1 learns from all",
        json_schema_extra=_EASY,
    )
    clip: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="how far a step may change the chance of an action",
        json_schema_extra=_EASY,
    )


class ReinforcementBackend(ChoiceSearch):
    """Reinforcement learning on this machine."""

    name: ClassVar[str] = "reinforcement"
    summary: ClassVar[str] = "reinforcement learning (PPO) on this machine, with native one-hot groups and inequalities"
    options_type: ClassVar[type[SolveOptions]] = ReinforcementOptions

    def run(self, problem: Problem[Any], options: SolveOptions, energies: BlackBox | None) -> dimod.SampleSet:
        """See `ChoiceSearch.run`. By a function, biases are not among the features."""
        options = _sampling.typed_options(self, options, ReinforcementOptions)
        trainings = options.trainings
        if trainings is None and options.time_limit is None:
            trainings = 1
        require("torch", "torch", BackendUnavailableError)

        def search(task: Task) -> dict[str, Any]:
            # torch takes seconds to load: never before it is used, and by no clock.
            with task.watch.stopped():
                from qubo_backends._reinforcement.training import train, warm_up

                warm_up()
            return train(task, options, trainings)

        by_default = options.trainings is None and energies is None
        listed = max(options.batch_size, min(options.episodes, LISTED)) if by_default else options.batch_size
        return run(self, problem, options, search, listed, energies)
