"""Job-shop scheduling: start times of operations on shared machines, with the least makespan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, ClassVar, Self

import numpy as np
from pyqubo import Binary

from qubo_dnn.constraint import Constraint
from qubo_dnn.errors import FormulationError
from qubo_dnn.problem import Problem, Sample
from qubo_dnn.support.arguments import checked
from qubo_formulations._shared.instances import FileInstance
from qubo_formulations._shared.models import check_size, compiled, linear_model
from qubo_formulations._shared.schedules import good_schedule, makespan

Operation = tuple[int, int]
Schedule = Mapping[Operation, int | None]
Jobs = Sequence[Sequence[Sequence[int]]]


class JobShopScheduling(FileInstance):
    """Choose start times for the operations of all jobs such that the last one ends as early as possible.

    Variables: `x[j][o][t]` = 1 starts operation o of job j at time t, where t runs from the total duration of
    the earlier operations of the job to the horizon minus that of o and the later ones; `y[t]` = 1 if all operations
    have ended by time t, where t runs from the length of the longest job to the horizon, the horizon excluded.
    Objective: the makespan, which is the horizon minus the sum of `y[t]`, minimised.
    Constraints: one start per operation (one-hot); "order", no operation starts before the previous one of its
    job ends; "machines", no two operations on a machine overlap; "end", `y[t]` is 1 only if no job ends after t. The
    last three are each a sum of products of variables that exclude each other.
    Start: a good schedule by priority rules and exchanges, if it keeps the horizon.
    Sufficient penalty: more than the horizon, because the objective is never negative and at most the horizon
    for a schedule.

    Args:
        jobs: for every job, its operations in order, as (machine, duration); both are integers >= 0.
        horizon: latest end of all operations, in the unit of the durations; None: the makespan of the
            best of some schedules by priority rules, each improved by exchanges.

    Raises:
        FormulationError: a job list is empty, a duration or machine is not an integer >= 0, or the horizon is shorter
            than a job.

    Source: Venturelli, Marchand & Rojo 2016, "Job shop scheduling solver based on quantum annealing".

    Example:
        >>> shop = JobShopScheduling([[(0, 2), (1, 1)], [(0, 1), (1, 2)]])  # (machine, duration)
        >>> schedule = {(0, 0): 1, (0, 1): 3, (1, 0): 0, (1, 1): 1}  # (job, operation): start
        >>> shop.is_feasible(schedule), shop.cost(schedule)
        (True, 4.0)
    """

    name: ClassVar[str] = "job-shop-scheduling"
    summary: ClassVar[str] = "start times on shared machines with the least makespan"
    formats: ClassVar[tuple[str, ...]] = ("job-shop",)
    auxiliary: ClassVar[bool] = True

    @checked
    def __init__(self, jobs: Jobs, horizon: int | None = None) -> None:
        try:
            self.jobs = [[_operation(each) for each in job] for job in jobs]
        except TypeError as cause:
            raise FormulationError(f"jobs are not lists of operations (machine, duration): {cause}") from cause
        lengths = [sum(duration for _, duration in job) for job in self.jobs]
        if not any(self.jobs):
            raise FormulationError("there are no operations")
        self.shortest = max(lengths)
        self._good = good_schedule(self.jobs)
        self.horizon = makespan(self.jobs, self._good) if horizon is None else horizon
        if self.horizon < self.shortest:
            raise FormulationError(f"a job takes {self.shortest}, longer than the horizon of {self.horizon}")
        check_size(sum(map(len, self.jobs)) * (self.horizon + 1))
        self.starts: dict[Operation, range] = {}
        for j, job in enumerate(self.jobs):
            for o in range(len(job)):
                before, after = sum(d for _, d in job[:o]), sum(d for _, d in job[o:])
                self.starts[j, o] = range(before, self.horizon - after + 1)

    @classmethod
    def example(cls, seed: int) -> Self:
        """2 jobs of 2 operations on 2 machines, within 4 time units."""
        first, second = np.random.default_rng(seed).permutation(2).tolist(), [0, 1]
        return cls([[(machine, 1) for machine in first], [(machine, 1) for machine in second]], horizon=4)

    def compile(self) -> Problem[Schedule]:
        """Compile the problem; the pairs that exclude each other are written in pyqubo."""
        groups = {f"start {j}.{o}": tuple(_label(j, o, t) for t in times) for (j, o), times in self.starts.items()}
        ends = [f"y[{t}]" for t in range(self.shortest, self.horizon)]
        labels = [*(label for group in groups.values() for label in group), *ends]
        x = {label: Binary(label) for label in labels}
        late = sum(
            x[f"y[{t}]"] * x[_label(j, len(job) - 1, start)]
            for t in range(self.shortest, self.horizon)
            for j, job in enumerate(self.jobs)
            if job
            for start in self.starts[j, len(job) - 1]
            if start + job[-1][1] > t
        )
        exclusive = {"order": self._early(x), "machines": self._overlaps(x), "end": late}
        constraints = {
            name: Constraint(compiled(pairs, labels), "<=", 0.0)
            for name, pairs in exclusive.items()
            if not isinstance(pairs, int)
        }
        objective = linear_model(labels, [-float(label in set(ends)) for label in labels])
        objective.offset = float(self.horizon)
        penalties = dict.fromkeys((*groups, *constraints), self.horizon + 1.0)
        return Problem(
            objective=objective,
            decoder=self.decode,
            one_hot=groups,
            constraints=constraints,
            penalties=penalties,
            start=self._start(labels),
        )

    def _start(self, labels: Sequence[str]) -> dict[str, int] | None:
        """Return the sample of the good schedule; None if it exceeds the horizon."""
        end = makespan(self.jobs, self._good)
        if end > self.horizon:
            return None
        chosen = {_label(j, o, start) for (j, o), start in self._good.items()}
        chosen |= {f"y[{t}]" for t in range(end, self.horizon)}
        return {label: int(label in chosen) for label in labels}

    def _early(self, x: Mapping[str, Any]) -> Any:
        """Sum the pairs of starts in which the next operation starts before the previous one ends."""
        return sum(
            x[_label(j, o, t)] * x[_label(j, o + 1, u)]
            for j, job in enumerate(self.jobs)
            for o in range(len(job) - 1)
            for t, u in product(self.starts[j, o], self.starts[j, o + 1])
            if u < t + job[o][1]
        )

    def _overlaps(self, x: Mapping[str, Any]) -> Any:
        """Sum the pairs of starts in which operations of different jobs overlap on a machine."""
        on_machine: dict[int, list[Operation]] = defaultdict(list)
        for j, job in enumerate(self.jobs):
            for o, (machine, duration) in enumerate(job):
                if duration:
                    on_machine[machine].append((j, o))
        return sum(
            x[_label(*one, t)] * x[_label(*other, u)]
            for operations in on_machine.values()
            for one, other in combinations(operations, 2)
            if one[0] != other[0]
            for t, u in product(self.starts[one], self.starts[other])
            if t < u + self._duration(other) and u < t + self._duration(one)
        )

    def _machine(self, operation: Operation) -> int:
        job, position = operation
        return self.jobs[job][position][0]

    def _duration(self, operation: Operation) -> int:
        job, position = operation
        return self.jobs[job][position][1]

    def decode(self, sample: Sample) -> Schedule:
        """Return the start of every operation (job, position): the earliest of several, None if it has none."""
        return {
            (j, o): next((t for t in times if sample[_label(j, o, t)]), None) for (j, o), times in self.starts.items()
        }

    def cost(self, value: Schedule) -> float:
        """Return the makespan: the time at which the last operation ends."""
        return float(max(start + self._duration(key) for key, start in value.items() if start is not None))

    def is_feasible(self, value: Schedule) -> bool:
        """Return whether all operations start within the horizon, in order, and one at a time on each machine."""
        if value.keys() != self.starts.keys() or not all(value[key] in times for key, times in self.starts.items()):
            return False
        spans = {key: (start, start + self._duration(key)) for key, start in value.items() if start is not None}
        ordered = all(spans[j, o][0] >= spans[j, o - 1][1] for j, o in spans if o)
        return ordered and not any(
            self._machine(a) == self._machine(b) and spans[a][0] < spans[b][1] and spans[b][0] < spans[a][1]
            for a, b in combinations(spans, 2)
            if a[0] != b[0] and self._duration(a) and self._duration(b)
        )

    def answers(self) -> Iterator[Schedule]:
        """Generate all schedules within the horizon."""
        choices = product(*self.starts.values())
        return filter(self.is_feasible, (dict(zip(self.starts, times, strict=True)) for times in choices))


def _label(job: int, operation: int, time: int) -> str:
    return f"x[{job}][{operation}][{time}]"


def _operation(data: Sequence[int]) -> tuple[int, int]:
    """(machine, duration), checked."""
    numbers = tuple(data)
    if len(numbers) != 2 or not all(isinstance(n, int | np.integer) and n >= 0 for n in numbers):
        raise FormulationError(f"an operation is (machine, duration) in integers >= 0, not {numbers!r}")
    return int(numbers[0]), int(numbers[1])
