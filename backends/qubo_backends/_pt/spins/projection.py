"""Models with auxiliary variables, as models of the others alone; see `qubo_backends._pt.spins.auxiliaries`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qubo_backends._pt.spins.auxiliaries import Auxiliaries
from qubo_backends._pt.spins.model import Couplings, SpinModel

# A variable may be auxiliary if its neighbours have, in the mean, so many times as many neighbours as it has: products
# and clauses have few factors, each of which is in many of them. Regular graphs, and sparse random ones, have none.
_FEWER = 2
# At least this share of all variables has to be.
_LEAST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Projection:
    """A model of n spins over those m that are not auxiliary.

    Attributes:
        model: of all spins.
        core: [m] the spins that are left.
        auxiliary: [n - m] the others, of which no two are coupled.
    """

    model: SpinModel
    core: NDArray[np.int64]
    auxiliary: NDArray[np.int64]

    def couplings(self, dtype: type[np.floating[Any]]) -> Couplings:
        """The projected model for a kernel, in this precision."""
        matrix = self.model.couplings[self.core]
        inside, outside = matrix[:, self.core], matrix[:, self.auxiliary]
        rows = scipy.sparse.csr_array(outside.T)
        return Couplings(
            inside.data.astype(dtype)[None],
            inside.indptr.astype(np.int64),
            inside.indices.astype(np.int32),
            self.model.own[self.core].astype(dtype),
            Auxiliaries(
                own=self.model.own[self.auxiliary].astype(dtype),
                starts=rows.indptr.astype(np.int64),
                others=rows.indices.astype(np.int32),
                weights=rows.data.astype(dtype),
                starts_of=outside.indptr.astype(np.int64),
                auxiliaries=outside.indices.astype(np.int32),
                weights_of=outside.data.astype(dtype),
                fields=np.zeros(len(self.auxiliary), dtype),
            ),
        )

    def completed(self, spins: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the best state [n] with these spins [m]."""
        state = np.zeros(self.model.n, np.int8)
        state[self.core] = spins
        fields = self.model.own + self.model.couplings @ state
        state[self.auxiliary] = np.where(fields[self.auxiliary] > 0.0, -1, 1)
        return state


def projection_of(model: SpinModel) -> Projection | None:
    """The projection of a model with sparse rows; None where it has few auxiliary variables.

    Of coupled variables, the one with fewer neighbours is taken, or else the first.
    """
    degrees = np.diff(model.starts)
    around = np.add.reduceat(np.append(degrees[model.columns], 0), model.starts[:-1])
    possible = np.flatnonzero((degrees > 0) & (_FEWER * degrees**2 <= around))
    if len(possible) < _LEAST_SHARE * model.n:
        return None
    auxiliary = np.zeros(model.n, bool)
    for i in possible[np.argsort(degrees[possible], kind="stable")]:
        auxiliary[i] = not auxiliary[model.columns[model.starts[i] : model.starts[i + 1]]].any()
    if auxiliary.sum() < _LEAST_SHARE * model.n:
        return None
    return Projection(model, np.flatnonzero(~auxiliary), np.flatnonzero(auxiliary))
