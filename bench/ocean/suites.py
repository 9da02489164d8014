"""Test files of dwave-samplers and dwave-neal, the import to replace in each, and the differences known."""

from __future__ import annotations

import io
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from qubo_dnn.errors import FileFormatError
from qubo_dnn.support.extras import require

_WRAPPERS = "bench.ocean.wrappers"


@dataclass(frozen=True)
class Suite:
    """One test file.

    Attributes:
        package: name of the checkout that has it.
        file: its name in the folder `tests`.
        before: the line that imports the sampler.
        after: the line in its place.
    """

    package: str
    file: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """Package and file."""
        return f"{self.package}/{self.file}"


@dataclass(frozen=True)
class Outcome:
    """Result of a test file.

    Attributes:
        tests: number of tests run.
        failed: name of a failed test -> last line of its error.
    """

    tests: int
    failed: dict[str, str]


SUITES = (
    Suite(
        "dwave-samplers",
        "test_simulated_annealing_sampler.py",
        "from dwave.samplers.sa import SimulatedAnnealingSampler",
        f"from {_WRAPPERS} import SimulatedAnnealingSampler",
    ),
    Suite(
        "dwave-samplers",
        "test_tabu_sampler.py",
        "import dwave.samplers.tabu as tabu",
        f"import {_WRAPPERS} as tabu",
    ),
    Suite(
        "dwave-samplers",
        "test_greedy_sampler.py",
        "from dwave.samplers.greedy.sampler import SteepestDescentSampler",
        f"from {_WRAPPERS} import SteepestDescentSampler",
    ),
    Suite(
        "dwave-samplers",
        "test_path_annealing_sampler.py",
        "from dwave.samplers.sqa.sampler import PathIntegralAnnealingSampler",
        f"from {_WRAPPERS} import PathIntegralAnnealingSampler",
    ),
    Suite("dwave-neal", "test_sampler.py", "from neal import Neal", f"from {_WRAPPERS} import Neal"),
)

DIFFERENCES = {
    "test_tabu_sampler.TestTabuSampler.test_input_validation": "a model without variables has one state, the empty "
    "one, which every backend returns, as all others of dwave-samplers do; TabuSampler returns no row",
}
"""Test that fails with the wrappers alone -> reason."""


def run(suite: Suite, path: Path, replaced: bool) -> Outcome:
    """Run a test file.

    Args:
        suite: the file.
        path: where it is.
        replaced: True: with the wrappers; False: as it is.

    Raises:
        FileFormatError: the file does not import the sampler as expected.
        MissingExtraError: a package that the file needs is missing.
    """
    text = path.read_text()
    if "parameterized" in text:
        require("parameterized", "bench")
    if text.splitlines().count(suite.before) != 1:
        raise FileFormatError(f"{path}: expected one line {suite.before!r}")
    if replaced:
        text = text.replace(suite.before, suite.after)
    module = ModuleType(path.stem)
    # Decorators of classes look their module up.
    sys.modules[path.stem] = module
    exec(compile(text, str(path), "exec"), module.__dict__)
    runner = unittest.TextTestRunner(io.StringIO())
    result = runner.run(unittest.defaultTestLoader.loadTestsFromModule(module))
    faults = result.failures + result.errors
    return Outcome(result.testsRun, {test.id(): trace.strip().splitlines()[-1] for test, trace in faults})
