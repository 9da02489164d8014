"""qubo-dnn: formulate once as a QUBO, sample with any backend, decode back into your own terms.

    import qubo_dnn as qd

    solution = qd.solve({("a", "a"): -1, ("b", "b"): -1, ("a", "b"): 3}, backend="pt", seed=1)
    smaller = qd.compress(network, images, "3bits")

Names are imported when they are first used: `import qubo_dnn` itself loads no other package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qubo_dnn.api.analysis import certify, compare, diagnose
    from qubo_dnn.api.files import read, write
    from qubo_dnn.api.inspecting import inspect
    from qubo_dnn.api.networks import compress, load_compressed_, remove_pruned
    from qubo_dnn.api.solving import sample, solve
    from qubo_dnn.api.sweeps import sweep
    from qubo_dnn.backend import Backend, Capabilities, SolveOptions
    from qubo_dnn.compression.task.options import Option
    from qubo_dnn.compression.task.plan import Plan
    from qubo_dnn.constraint import Constraint
    from qubo_dnn.conversion import to_problem
    from qubo_dnn.formulation import Formulation
    from qubo_dnn.models.ocean_sampler import BackendSampler
    from qubo_dnn.problem import Decoded, Problem
    from qubo_dnn.registry import get_backend, get_formulation, list_backends, list_formulations
    from qubo_dnn.solving.solution import Solution
    from qubo_dnn.tracking.callback import Callback
    from qubo_dnn.tracking.mlflow_callback import MlflowCallback

    __version__: str

__all__ = [
    "Backend",
    "BackendSampler",
    "Callback",
    "Capabilities",
    "Constraint",
    "Decoded",
    "Formulation",
    "MlflowCallback",
    "Option",
    "Plan",
    "Problem",
    "Solution",
    "SolveOptions",
    "__version__",
    "certify",
    "compare",
    "compress",
    "diagnose",
    "get_backend",
    "get_formulation",
    "inspect",
    "list_backends",
    "list_formulations",
    "load_compressed_",
    "read",
    "remove_pruned",
    "sample",
    "solve",
    "sweep",
    "to_problem",
    "write",
]

_MODULES = {
    "api.analysis": ("certify", "compare", "diagnose"),
    "api.files": ("read", "write"),
    "api.inspecting": ("inspect",),
    "api.networks": ("compress", "load_compressed_", "remove_pruned"),
    "api.solving": ("sample", "solve"),
    "api.sweeps": ("sweep",),
    "backend": ("Backend", "Capabilities", "SolveOptions"),
    "compression.task.options": ("Option",),
    "compression.task.plan": ("Plan",),
    "constraint": ("Constraint",),
    "conversion": ("to_problem",),
    "formulation": ("Formulation",),
    "models.ocean_sampler": ("BackendSampler",),
    "problem": ("Decoded", "Problem"),
    "registry": ("get_backend", "get_formulation", "list_backends", "list_formulations"),
    "solving.solution": ("Solution",),
    "tracking.callback": ("Callback",),
    "tracking.mlflow_callback": ("MlflowCallback",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("qubo-dnn")
    if name not in _HOME:
        raise AttributeError(f"module 'qubo_dnn' has no attribute {name!r}")
    found = getattr(import_module(f"qubo_dnn.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
