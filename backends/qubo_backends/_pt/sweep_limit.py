"""How many sweeps a run gets: those that were asked for, or by default as many as are likely to pay.

A default run gets a usual number of sweeps. At its end the number is doubled, again and again up to a largest one,
while the run still improves, which is where its best state is no older than most of its sweeps, and while most of its
restarts ended above that state, as they do where a better one may exist. All this is counted, not timed, so that a seed
gives the same answer on any machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# A run goes on if its best state was found after this share of its sweeps.
_STILL_IMPROVING = 1 / 4


@dataclass(frozen=True)
class SweepLimit:
    """Limits of the number of sweeps of a run.

    Attributes:
        usual: sweeps that the run gets in any case.
        most: sweeps that it gets at most, no less than `usual`.

    Example:
        >>> limit = SweepLimit(1000, 10_000)
        >>> limit.extended(1000, improved=900, settled=True), limit.extended(1000, improved=10, settled=True)
        (2000, 1000)
        >>> limit.extended(8000, improved=10, settled=False)
        10000
    """

    usual: float
    most: float

    @classmethod
    def exactly(cls, sweeps: float) -> SweepLimit:
        """Return the limit of a run that gets this many sweeps, whatever it finds; infinity for no limit."""
        return cls(sweeps, sweeps)

    @classmethod
    def default(cls, usual: float, most: float) -> SweepLimit:
        """Return a limit in whole sweeps; `most` may be less than `usual`, which then holds."""
        return cls(math.ceil(usual), max(math.ceil(usual), math.ceil(most)))

    def extended(self, done: float, improved: int, settled: bool) -> float:
        """Return the sweeps after which to look again; `done` where the run is over.

        Args:
            done: sweeps of the run so far.
            improved: sweeps after which it found its best state.
            settled: whether most restarts reached that state.
        """
        goes_on = improved > _STILL_IMPROVING * done or not settled
        return max(min(2 * done, self.most), done) if goes_on else done
