"""One option per site: the states of a problem that keep its one-hot groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qubo_dnn.problem import Problem

Floats = NDArray[np.float64]
OFF = -1
"""Stands for a variable where an option sets none: the first option of a free variable."""


class Sites(NamedTuple):
    """Sites of which each takes one option: a one-hot group takes one of its variables, a free variable is off or on.

    A named tuple of arrays, so that compiled code takes it.

    Attributes:
        variables: [N] index of the variable that an option sets to 1, or `OFF`; site by site.
        starts: [S + 1] where the options of every site begin.

    Example:
        >>> sites = Sites.of_groups(4, [[0, 2], [3]])
        >>> [options.tolist() for options in sites.each()]
        [[0, 2], [3], [-1, 1]]
        >>> sites.states
        4
    """

    variables: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, sites: Sequence[Sequence[int]]) -> Sites:
        """Sites from the options of each."""
        flat = np.concatenate([np.empty(0, np.int64), *sites], dtype=np.int64, casting="unsafe")
        return cls(flat, np.cumsum([0, *map(len, sites)], dtype=np.int64))

    @classmethod
    def of_groups(cls, variables: int, groups: Sequence[Sequence[int]]) -> Sites:
        """The groups in their order, then the free ones of so many variables.

        Args:
            variables: number n of all variables.
            groups: disjoint sets of indices < n.
        """
        flat = np.array([variable for group in groups for variable in group], np.int64)
        is_free = np.ones(variables, bool)
        is_free[flat] = False
        free = np.flatnonzero(is_free)
        pairs = np.stack([np.full(len(free), OFF), free], axis=1).ravel()
        sizes = [*map(len, groups), *[2] * len(free)]
        return cls(np.concatenate([flat, pairs]), np.cumsum([0, *sizes], dtype=np.int64))

    @classmethod
    def of_problem(cls, problem: Problem[Any]) -> Sites:
        """A problem's groups in their order, then its free variables; indices are those of `problem.variables`."""
        groups = [[problem.index[variable] for variable in group] for group in problem.one_hot.values()]
        return cls.of_groups(len(problem.index), groups)

    def in_order(self, kinds: NDArray[np.int64]) -> Sites:
        """The sites by their first variable, with the options of each by their kind and then by variable.

        Args:
            kinds: [n] >= 0 of the variables.

        Example:
            >>> sites = Sites.of_groups(4, [[1, 3], [2, 0]]).in_order(np.array([5, 0, 1, 0]))
            >>> [options.tolist() for options in sites.each()]
            [[2, 0], [1, 3]]
        """
        first = self.least(np.where(self.variables == OFF, len(self.variables), self.variables))
        kind = np.where(self.variables == OFF, -1, np.append(kinds, 0)[self.variables])
        order = np.lexsort((self.variables, kind, first[self.site_of]))
        return Sites(self.variables[order], np.cumsum([0, *np.diff(self.starts)[np.argsort(first)]]))

    def each(self) -> Iterator[NDArray[np.int64]]:
        """The options of every site."""
        return (self.variables[a:b] for a, b in pairwise(self.starts.tolist()))

    @property
    def sizes(self) -> list[int]:
        """[S] number of options of every site."""
        return [int(size) for size in np.diff(self.starts)]

    @property
    def site_of(self) -> NDArray[np.int64]:
        """[N] site of every option."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @property
    def site_of_variable(self) -> NDArray[np.int64]:
        """[n] site of every variable."""
        on = self.variables != OFF
        found = np.empty(np.count_nonzero(on), np.int64)
        found[self.variables[on]] = self.site_of[on]
        return found

    @property
    def states(self) -> int:
        """Number of states."""
        return math.prod(self.sizes)

    def at_options(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return [..., N] the values at every option of [..., n] values at variables; 0 where an option sets none."""
        # `OFF` is the last index, too.
        padded = np.concatenate([values, np.zeros((*values.shape[:-1], 1), values.dtype)], axis=-1)
        return np.take(padded, self.variables, axis=-1)

    def least(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return [..., S] the least of every site's [..., N] values at options."""
        found: NDArray[Any] = np.minimum.reduceat(values, self.starts[:-1], axis=-1)
        return found

    def bits(self, options: NDArray[np.integer[Any]]) -> NDArray[np.int8]:
        """Return [k, n] states of 0 and 1 from the [k, S] options that sites take, counted from 0 in every site.

        Example:
            >>> Sites.of_groups(3, [[0, 2]]).bits(np.array([[1, 0], [0, 1]])).tolist()
            [[0, 0, 1], [1, 1, 0]]
        """
        states = np.zeros((len(options), np.count_nonzero(self.variables != OFF) + 1), np.int8)
        np.put_along_axis(states, self.variables[self.starts[:-1] + options], 1, axis=1)
        return states[:, :-1]

    def numbered(self, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return [k, S] the options of states by their numbers, the last site running fastest.

        Example:
            >>> Sites.of_groups(3, [[0, 2]]).numbered(np.array([0, 1, 2])).tolist()
            [[0, 0], [0, 1], [1, 0]]
        """
        sizes = np.diff(self.starts)
        steps = np.append(np.cumprod(sizes[::-1])[::-1], 1)[1:]
        return np.asarray(numbers[:, None] // steps % sizes, np.int32)

    def options(self, states: NDArray[np.int8]) -> NDArray[np.int32]:
        """Return [k, S] the option that is 1 in [k, n] states, the first of several; without one, the first option.

        Example:
            >>> Sites.of_groups(3, [[0, 2]]).options(np.array([[0, 0, 1], [1, 1, 0]], np.int8)).tolist()
            [[1, 0], [0, 1]]
        """
        values, starts = self.at_options(states), self.starts
        found = [values[:, a:b].argmax(axis=1) for a, b in pairwise(starts.tolist())]
        return np.array(found, np.int32).reshape(len(starts) - 1, len(states)).T

    def energies(self, linear: Floats, matrix: Floats) -> Floats:
        """[states] energies of all states, the last site running fastest.

        Args:
            linear: [n] biases of a BINARY model.
            matrix: [n, n] interactions, symmetric with an empty diagonal.

        Example:
            >>> Sites.of_groups(2, []).energies(np.array([1.0, 2.0]), np.array([[0.0, -4.0], [-4.0, 0.0]])).tolist()
            [0.0, 2.0, 1.0, -1.0]
        """
        sizes = self.sizes
        found = np.zeros(math.prod(sizes))
        for s in range(len(sizes)):
            view = found.reshape(math.prod(sizes[:s]), sizes[s], -1)
            view += self.own_energies(linear, s)[:, None]
            for t in range(s):
                pairs = self.pair_energies(matrix, t, s)
                if pairs.any():
                    before, between = math.prod(sizes[:t]), math.prod(sizes[t + 1 : s])
                    blocks = found.reshape(before, sizes[t], between, sizes[s], -1)
                    blocks += pairs[:, None, :, None]
        return found

    def own_energies(self, linear: Floats, site: int) -> Floats:
        """[options] energies of a site's options by themselves."""
        return self.at_options(linear)[self.starts[site] : self.starts[site + 1]]

    def pair_energies(self, matrix: Floats, one: int, other: int) -> Floats:
        """[options, options] energies of two sites' options together."""
        rows, columns = (self.variables[self.starts[s] : self.starts[s + 1]] for s in (one, other))
        on = (rows != OFF)[:, None] & (columns != OFF)
        return np.where(on, matrix[np.ix_(rows, columns)], 0.0)
