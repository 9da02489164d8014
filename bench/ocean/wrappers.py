"""Backends under the names of the samplers that they wrap, for the tests of dwave-samplers and dwave-neal."""

from __future__ import annotations

from qubo_dnn.models.ocean_sampler import BackendSampler


class SimulatedAnnealingSampler(BackendSampler):
    """The backend `neal`."""

    def __init__(self) -> None:
        super().__init__("neal")


class TabuSampler(BackendSampler):
    """The backend `tabu`."""

    def __init__(self) -> None:
        super().__init__("tabu")


class SteepestDescentSampler(BackendSampler):
    """The backend `steepest-descent`."""

    def __init__(self) -> None:
        super().__init__("steepest-descent")


class PathIntegralAnnealingSampler(BackendSampler):
    """The backend `path-integral`."""

    def __init__(self) -> None:
        super().__init__("path-integral")


Neal = SimulatedAnnealingSampler
