"""The sample sets of several runs as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dimod
import numpy as np


def merged(found: Sequence[dimod.SampleSet], num_reads: int | None, info: Mapping[str, Any]) -> dimod.SampleSet:
    """Combine sample sets over the same variables.

    Args:
        found: at least one, in an order that does not depend on time.
        num_reads: number of samples to keep, the best first and different states before repetitions; None: all.
        info: `info` of the result.

    Returns:
        Rows by energy; those of equal energy in the order in which they are given. Vectors that all have are kept.

    Example:
        >>> sets = [dimod.SampleSet.from_samples([{"a": 0}, {"a": 1}], "BINARY", energy=[0.0, -1.0]) for _ in range(2)]
        >>> merged(sets, 3, {}).record.sample.ravel().tolist()
        [1, 1, 0]
    """
    variables = list(found[0].variables)
    rows = [each.record.sample[:, [each.variables.index(v) for v in variables]] for each in found]
    names = set.intersection(*(set(each.record.dtype.names) for each in found)) - {"sample"}
    states = np.concatenate(rows)
    vectors = {name: np.concatenate([each.record[name] for each in found]) for name in sorted(names)}
    order = np.argsort(vectors["energy"], kind="stable")
    if num_reads is not None:
        # One row for every sample, so that their number is that of the rows.
        order = np.repeat(order, vectors["num_occurrences"][order])
        order = _different_first(states, order)[:num_reads]
        order = order[np.argsort(vectors["energy"][order], kind="stable")]
        vectors["num_occurrences"] = np.ones_like(vectors["num_occurrences"])
    return dimod.SampleSet.from_samples(
        (states[order], variables),
        vartype=found[0].vartype,
        info=dict(info),
        sort_labels=False,
        **{name: values[order] for name, values in vectors.items()},
    )


def _different_first(states: np.ndarray[Any, Any], order: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    seen: set[bytes] = set()
    fresh = np.empty(len(order), bool)
    for place, row in enumerate(order):
        key = states[row].tobytes()
        fresh[place] = key not in seen
        seen.add(key)
    return np.concatenate([order[fresh], order[~fresh]])
