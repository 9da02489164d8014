"""The arguments of `qubo_dnn.solve` for every built-in backend, for type checkers and editors.

A test compares them with the backends' own options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from qubo_dnn.cluster.given import AnyExecutor
from qubo_dnn.solving.solution import BackendCall
from qubo_dnn.tracking.callback import Callback


class Common(TypedDict, total=False):
    """Arguments for every backend, see `qubo_dnn.api.solving.solve`."""

    formulation: str | Callable[..., Any] | None
    sense: Literal["min", "max"] | None
    integers: str
    seed: int | None
    time_limit: float | None
    num_reads: int | None
    num_solutions: int
    presolve: bool
    inequalities: str
    progress: Callable[[BackendCall], None] | None
    callbacks: Sequence[Callback]
    portfolio: int | None
    client: Any
    executor: AnyExecutor | None


class Decompose(Common, total=False):
    """Options of the backend `decompose`."""

    block_size: int | None
    block_reads: int
    block_options: dict[str, Any]
    strategy: Literal["mixed", "impact", "coupling", "walk", "random"]
    max_blocks: int | None
    restarts: int | None
    target: float | None
    initial_state: Any


class DwaveHybrid(Common, total=False):
    """Options of the backend `dwave-hybrid`."""

    solver: str | None
    profile: str | None
    label: str | None
    queue_limit: float


class DwaveQpu(Common, total=False):
    """Options of the backend `dwave-qpu`."""

    embedder: Literal["auto", "clique", "minorminer"]
    embedding: Path | None
    embedding_time_limit: float
    chain_strength: float | Literal["uniform-torque", "scaled"]
    chain_strength_prefactor: float | None
    chain_break_method: Literal["majority-vote", "minimize-energy", "weighted-random", "discard"]
    num_spin_reversal_transforms: int
    solver: str | None
    profile: str | None
    label: str | None
    queue_limit: float
    embedding_seed: int
    annealing_time: float | None
    anneal_schedule: list[tuple[float, float]] | None
    programming_thermalization: float | None
    readout_thermalization: float | None
    reduce_intersample_correlation: bool | None
    fast_anneal: bool | None
    auto_scale: bool | None


class ExactMilp(Common, total=False):
    """Options of the backend `exact-milp`."""

    gap: float


class Genetic(Common, total=False):
    """Options of the backend `genetic`."""

    population_size: int
    generations: int | None
    crossover_rate: float
    block_crossover: float
    mutation_rate: float | None
    elitism: float
    tournament_size: int
    patience: int


class Initialized(Common, total=False):
    """Options of backends that wrap a sampler with initial states."""

    initial_states: Any
    initial_states_generator: Literal["none", "tile", "random"]


class Annealing(Initialized, total=False):
    """Options of both backends that wrap an annealer."""

    num_sweeps: int | None
    num_sweeps_per_beta: int
    beta_range: tuple[float, float] | None
    beta_schedule_type: Literal["geometric", "linear", "custom"]
    interrupt_function: Callable[[], Any] | None


class Neal(Annealing, total=False):
    """Options of the backend `neal`."""

    beta_schedule: tuple[float, ...] | None
    randomize_order: bool
    proposal_acceptance_criteria: Literal["Metropolis", "Gibbs"]


class PathIntegral(Annealing, total=False):
    """Options of the backend `path-integral`."""

    transverse_field: tuple[float, float]
    Hp_field: tuple[float, ...] | None
    Hd_field: tuple[float, ...] | None
    Gamma: float | None
    chain_coupler_strength: float | None
    qubits_per_chain: int | None
    qubits_per_update: int | None
    schedule_sample_interval: int | None
    project_states: tuple[Literal[True], bool] | None
    breaks_buffer_out: Any
    make_info_json_serializable: bool | None


class Pt(Common, total=False):
    """Options of the backend `pt`."""

    num_replicas: int | None
    num_sweeps: int | None
    temperature_range: tuple[float, float] | None
    target_energy: float | None
    threads: int
    initial_states: Any
    initial_states_generator: Literal["tile", "random"]


class Qaoa(Common, total=False):
    """Options of the backend `qaoa`."""

    bond_dimension: int
    device: str | None
    depth: int
    optimizer: Literal["COBYLA", "Nelder-Mead", "Powell", "L-BFGS-B", "SLSQP"]
    max_evaluations: int
    cvar: float
    initial_angles: tuple[list[float], list[float]] | None
    ramp: float
    transfer: int | None
    warm_start: Literal["none", "relaxation"]
    epsilon: float


class QpuEmulator(Common, total=False):
    """Options of the backend `qpu-emulator`."""

    embedder: Literal["auto", "clique", "minorminer"]
    embedding: Path | None
    embedding_time_limit: float
    chain_strength: float | Literal["uniform-torque", "scaled"]
    chain_strength_prefactor: float | None
    chain_break_method: Literal["majority-vote", "minimize-energy", "weighted-random", "discard"]
    num_spin_reversal_transforms: int
    target: str | None
    defects: float
    h_noise: float
    j_noise: float
    beta: float
    transverse_field: tuple[float, float]
    num_sweeps: int


class Reinforcement(Common, total=False):
    """Options of the backend `reinforcement`."""

    episodes: int
    trainings: int | None
    batch_size: int
    learning_rate: float
    entropy: float
    hidden_units: int
    epochs: int
    top: float
    clip: float


class Rqaoa(Common, total=False):
    """Options of the backend `rqaoa`."""

    bond_dimension: int
    device: str | None
    cutoff: int
    choices: int
    shots: int


class SteepestDescent(Initialized, total=False):
    """Options of the backend `steepest-descent`."""

    large_sparse_opt: bool


class Tabu(Initialized, total=False):
    """Options of the backend `tabu`."""

    num_restarts: int | None
    timeout: int | None
    tenure: int | None
    energy_threshold: float | None
    coefficient_z_first: int | None
    coefficient_z_restart: int | None
    lower_bound_z: int | None
