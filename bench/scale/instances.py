"""Large sparse models, written to files in steps: spin glasses on helical lattices with random labels.

Spin i is coupled to the spins i + d modulo n, one for every offset d, by -1 or 1. With the offsets 1, L and L^2 this is
the cubic lattice of side L with helical boundaries, whose least energy is about -1.787 n (Hartmann 1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_STEP = 1 << 20
CUBIC_ENERGY = -1.787
"""Least energy of a spin on the cubic lattice."""


@dataclass(frozen=True)
class Lattice:
    """One instance.

    Attributes:
        variables: n.
        degree: couplings of a variable to later ones, 3 for the cubic lattice.
        seed: of the couplings and of the labels.
    """

    variables: int
    degree: int = 3
    seed: int = 0

    @property
    def couplings(self) -> int:
        """Number of couplings."""
        return self.variables * self.degree

    def offsets(self) -> list[int]:
        """The distances d, all different; the first three are those of the cubic lattice."""
        side = round(self.variables ** (1 / 3))
        rng = np.random.default_rng([self.seed, self.variables])
        # Two offsets d and n - d would give the same coupling.
        drawn = iter(rng.permutation(np.arange(side**2 + 1, self.variables // 2))[: self.degree].tolist())
        return [*(1, side, side**2)[: self.degree], *(next(drawn) for _ in range(self.degree - 3))]

    def parts(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]]:
        """Generate both ends and the values of couplings."""
        rng = np.random.default_rng(self.seed)
        labels = rng.permutation(np.arange(self.variables, dtype=np.int32))
        for offset in self.offsets():
            for first in range(0, self.variables, _STEP):
                here = np.arange(first, min(first + _STEP, self.variables))
                values = 2 * rng.integers(0, 2, len(here), np.int8) - np.int8(1)
                yield labels[here], labels[(here + offset) % self.variables], values


def write_coo(lattice: Lattice, path: Path) -> None:
    """Write a COO file."""
    with path.open("w") as stream:
        stream.write("# vartype=SPIN\n")
        for part in lattice.parts():
            lines = zip(*(each.tolist() for each in part), strict=True)
            stream.write("".join(f"{i} {j} {value}\n" for i, j, value in lines))


def write_npz(lattice: Lattice, path: Path) -> None:
    """Write an archive of arrays that is not compressed: int32 indices, and one byte per coupling."""
    rows, columns = (np.empty(lattice.couplings, np.int32) for _ in range(2))
    biases, first = np.empty(lattice.couplings, np.int8), 0
    for part in lattice.parts():
        last = first + len(part[0])
        rows[first:last], columns[first:last], biases[first:last] = part
        first = last
    linear = np.zeros(lattice.variables, np.float32)
    np.savez(path, linear=linear, rows=rows, columns=columns, biases=biases, vartype=np.array("SPIN"))
