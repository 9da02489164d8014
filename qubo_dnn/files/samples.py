"""Write sample sets as CSV, Parquet or Ocean's JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import dimod

from qubo_dnn.errors import OptionError
from qubo_dnn.files.common.output import write_atomically
from qubo_dnn.support.extras import require

ENDINGS = (".csv", ".parquet", ".json")


def check_samples(path: Path) -> None:
    """Check the name of a file of samples before the samples are drawn.

    Raises:
        OptionError: the name has none of the endings .csv, .parquet and .json.
        MissingExtraError: a package for Parquet is not installed.

    Example:
        >>> check_samples(Path("samples.txt"))
        Traceback (most recent call last):
        qubo_dnn.errors.OptionError: samples are written as .csv, .parquet or .json, not '.txt'
    """
    if path.suffix not in ENDINGS:
        raise OptionError(f"samples are written as .csv, .parquet or .json, not {path.suffix!r}")
    if path.suffix == ".parquet":
        require("pyarrow", "tables")


def write_samples(path: Path, found: dimod.SampleSet) -> None:
    """Write a sample set, whole or not at all; the ending of the file's name determines the format.

    A table has one row per sample, with one column per variable and those of the sample set, such as `energy` and
    `num_occurrences`. JSON is that of `dimod.SampleSet.to_serializable`, which `from_serializable` reads.

    Raises:
        OptionError: see `check_samples`.
        MissingExtraError: see `check_samples`.
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> found = dimod.SampleSet.from_samples([{"a": 0, "b": 1}], "BINARY", energy=[-1.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_samples(Path(folder, "samples.csv"), found)
        ...     Path(folder, "samples.csv").read_text().split()
        ['a,b,energy,num_occurrences', '0,1,-1.0,1']
    """
    check_samples(path)
    if path.suffix == ".json":
        write_atomically(path, (json.dumps(found.to_serializable(), indent=2) + "\n").encode())
        return
    vectors = {name: values for name, values in found.data_vectors.items() if values.ndim == 1}
    columns = {str(variable): found.record.sample[:, k] for k, variable in enumerate(found.variables)} | vectors
    if path.suffix == ".parquet":
        stream = io.BytesIO()
        require("pyarrow.parquet", "tables").write_table(require("pyarrow", "tables").table(columns), stream)
        write_atomically(path, stream.getvalue())
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    write_atomically(path, text.getvalue().encode())
