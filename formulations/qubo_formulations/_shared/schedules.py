"""Schedules of a job shop by priority rules, improved by exchanges of neighbours on a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Operation = tuple[int, int]
Jobs = Sequence[Sequence[tuple[int, int]]]

# Operations that exchanges may look at before the descent ends; about a second.
_MOST_LOOKS = 500_000


def good_schedule(jobs: Jobs) -> dict[Operation, int]:
    """Return the best of some active schedules by priority rules, each improved by a descent.

    The rules: most work left, least work left, longest and shortest duration, first come first served. The descent
    exchanges two operations that follow each other on a machine and on a longest path, as long as one exchange
    shortens the schedule.

    Args:
        jobs: for every job, its operations in order, as (machine, duration).

    Returns:
        Start of every operation (job, position).

    Source: Giffler & Thompson 1960 (active schedules); van Laarhoven, Aarts & Lenstra 1992, "Job shop scheduling by
        simulated annealing" (exchanges).

    Example:
        >>> good_schedule([[(0, 2), (1, 1)], [(0, 1), (1, 2)]])  # (machine, duration)
        {(1, 0): 0, (0, 0): 1, (1, 1): 1, (0, 1): 3}
    """
    left = {(j, o): sum(duration for _, duration in job[o:]) for j, job in enumerate(jobs) for o in range(len(job))}

    def duration(operation: Operation) -> int:
        return jobs[operation[0]][operation[1]][1]

    rules: tuple[Callable[[Operation], int], ...] = (
        lambda operation: -left[operation],
        lambda operation: left[operation],
        lambda operation: -duration(operation),
        duration,
        lambda _: 0,
    )
    schedules = [_improved(jobs, _active_schedule(jobs, rule), _MOST_LOOKS // len(rules)) for rule in rules]
    return min(schedules, key=lambda starts: makespan(jobs, starts))


def makespan(jobs: Jobs, starts: Mapping[Operation, int]) -> int:
    """Return the end of the last operation; 0 without operations.

    Example:
        >>> makespan([[(0, 2), (1, 1)]], {(0, 0): 0, (0, 1): 4})
        5
    """
    return max((start + jobs[j][o][1] for (j, o), start in starts.items()), default=0)


def _active_schedule(jobs: Jobs, rule: Callable[[Operation], int]) -> dict[Operation, int]:
    """Return a schedule in which no operation can start earlier without delaying another; the least rule goes first."""
    machine_free: dict[int, int] = {}
    job_free = [0] * len(jobs)
    following = {j: 0 for j, job in enumerate(jobs) if job}
    starts: dict[Operation, int] = {}
    while following:
        earliest = {}
        for j, o in following.items():
            machine, duration = jobs[j][o]
            start = max(machine_free.get(machine, 0), job_free[j])
            earliest[j, o] = (start + duration, start, machine)
        end, _, machine = min(earliest.values(), key=lambda times: times[0])
        # Of those that could start before the first one ends, on its machine; it is one of them if it has no duration.
        rivals = [
            operation
            for operation, (own_end, start, own) in earliest.items()
            if own == machine and (start < end or own_end == end)
        ]
        j, o = min(rivals, key=lambda operation: (rule(operation), earliest[operation][1]))
        own_end, starts[j, o], _ = earliest[j, o]
        machine_free[machine] = job_free[j] = own_end
        following[j] += 1
        if following[j] == len(jobs[j]):
            del following[j]
    return starts


def _improved(jobs: Jobs, starts: dict[Operation, int], looks: int) -> dict[Operation, int]:
    """Descend by the best exchange each time, until none helps or so many operations were looked at."""
    queues: dict[int, list[Operation]] = {}
    for operation in sorted(starts, key=lambda each: (starts[each], each)):
        queues.setdefault(jobs[operation[0]][operation[1]][0], []).append(operation)
    best = makespan(jobs, starts)
    while looks > 0:
        found = None
        for machine, place in _critical_pairs(jobs, queues, starts):
            looks -= len(starts)
            queue = list(queues[machine])
            queue[place - 1 : place + 1] = queue[place], queue[place - 1]
            changed = {**queues, machine: queue}
            trial = _semi_active_schedule(jobs, changed)
            if trial is not None and (length := makespan(jobs, trial)) < best:
                best, found = length, (changed, trial)
        if found is None:
            break
        queues, starts = found
    return starts


def _semi_active_schedule(jobs: Jobs, queues: Mapping[int, list[Operation]]) -> dict[Operation, int] | None:
    """Return the earliest starts with this order on every machine; None if the operations wait for each other."""
    starts: dict[Operation, int] = {}
    job_free, following = [0] * len(jobs), [0] * len(jobs)
    machine_free, served = dict.fromkeys(queues, 0), dict.fromkeys(queues, 0)
    waiting = list(queues)
    while waiting:
        machine = waiting.pop()
        queue = queues[machine]
        while served[machine] < len(queue) and queue[served[machine]][1] == following[queue[served[machine]][0]]:
            j, o = queue[served[machine]]
            starts[j, o] = max(machine_free[machine], job_free[j])
            machine_free[machine] = job_free[j] = starts[j, o] + jobs[j][o][1]
            served[machine] += 1
            following[j] += 1
            if following[j] < len(jobs[j]):
                waiting.append(jobs[j][following[j]][0])
    return starts if len(starts) == sum(map(len, jobs)) else None


def _critical_pairs(
    jobs: Jobs, queues: Mapping[int, list[Operation]], starts: Mapping[Operation, int]
) -> list[tuple[int, int]]:
    """Return machine and place of operations that start when the one before them there ends, on a longest path."""
    ends = {(j, o): start + jobs[j][o][1] for (j, o), start in starts.items()}
    before = {queue[k]: (queue[k - 1], (machine, k)) for machine, queue in queues.items() for k in range(1, len(queue))}
    last = max(ends.values())
    waiting = [operation for operation, end in ends.items() if end == last]
    seen, pairs = set(waiting), []
    while waiting:
        j, o = waiting.pop()
        earlier = [(j, o - 1)] if o and ends[j, o - 1] == starts[j, o] else []
        if (j, o) in before and ends[before[j, o][0]] == starts[j, o]:
            pairs.append(before[j, o][1])
            earlier.append(before[j, o][0])
        waiting += [each for each in earlier if each not in seen]
        seen.update(earlier)
    return pairs
