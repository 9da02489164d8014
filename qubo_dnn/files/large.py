"""Large COO files and archives of arrays, read without one Python object per entry.

Read like this are `.coo` files, plain or gzipped, without names of variables, and `.npz` archives with the arrays
`linear`, `rows`, `columns` and `biases`, and optionally `offset`, `vartype` and `sense` (see `qubo_dnn.files.npz`), or
with a matrix of `scipy.sparse.save_npz`. Arrays that are not compressed (`numpy.savez`) stay in the file and are
mapped into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import dimod
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from qubo_dnn.errors import FormulationError
from qubo_dnn.files.common.indexed import IndexedModel, key_and_value
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.text import TextFile
from qubo_dnn.files.npz import mapped_arrays, read_scalar, read_sparse_matrix, read_text
from qubo_dnn.sparse_model import MOST_LABELLED, SparseModel

LARGE_BYTES = 1 << 24
"""From this size on, files are read by this module; smaller ones cannot hold `MOST_LABELLED` variables with biases."""

# A stream of text of any size is read in little memory; what it may fill is limited by the number of variables.
_MOST_BYTES = 1 << 40
MOST_VARIABLES = 100_000_000
_ARRAYS = {"linear", "rows", "columns", "biases"}


def read_large(path: Path, format_name: str) -> Model | SparseModel | None:
    r"""Read a large file.

    Args:
        path: path of the file.
        format_name: its format, "coo" or "npz".

    Returns:
        A `SparseModel` if there are more than `MOST_LABELLED` variables. Otherwise the same model as the format's own
        reader gives, or None if only that reader reads the file.

    Raises:
        FileFormatError: the file cannot be read, or breaks the format.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.coo")
        ...     _ = path.write_text("# vartype=BINARY\n0 0 1.5\n0 1 -2\n")
        ...     read_large(path, "coo") is None  # not large
        True
    """
    # The format's own reader says what is wrong with a path, and knows `name#2`.
    if not path.is_file() or path.stat().st_size < LARGE_BYTES:
        return None
    return read_large_coo(TextFile(path, _MOST_BYTES)) if format_name == "coo" else read_large_npz(TextFile(path))


def read_large_coo(file: TextFile, most_labelled: int = MOST_LABELLED) -> Model | SparseModel | None:
    r"""Read a COO file; see `qubo_dnn.files.coo` for the grammar.

    Args:
        file: the file, with its limit of size.
        most_labelled: more variables make a `SparseModel`, of the variables 0 to the largest index.

    Returns:
        See `read_large`; None if the file names variables.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.coo")
        ...     _ = path.write_text("# vartype=SPIN\n# sense=max\n0 3 -2\n")
        ...     model = read_large_coo(TextFile(path), most_labelled=0)
        >>> model.num_variables, model.biases.tolist(), model.sense
        (4, [-2.0], 'max')
    """
    from qubo_dnn.files.common.coordinates import Coordinates, read_coordinates

    header, found, vartype = IndexedModel(), Coordinates(), ""

    def other(line: int, text: str) -> None:
        nonlocal vartype
        stripped = text.strip()
        if not stripped.startswith("#"):
            entry = IndexedModel()
            entry.add(file, line, stripped.split(), MOST_VARIABLES)
            for i, bias in entry.linear.items():
                found.add(i, i, bias)
            for (i, j), bias in entry.quadratic.items():
                found.add(i, j, bias)
            return
        key, value = key_and_value(stripped[1:])
        if key != "vartype":
            header.comment(file, line, stripped[1:].strip())
            if header.names:
                raise _NamedError
        elif value in ("BINARY", "SPIN"):
            vartype = value
        else:
            raise file.error(f"vartype is {value!r}, neither BINARY nor SPIN", line)

    try:
        read_coordinates(file, other, found)
    except _NamedError:
        return None
    if not vartype:
        raise file.error("has no line '# vartype=BINARY' or '# vartype=SPIN'")
    indices, own = found.indices.finished(), found.linear.finished()
    rows, columns, biases = (each.finished() for each in (found.rows, found.columns, found.biases))
    n = 1 + int(max(indices.max(initial=-1), columns.max(initial=-1)))
    if n > MOST_VARIABLES:
        raise file.error(f"names the variable {n - 1}; at most {MOST_VARIABLES:,} variables are read")
    twice = np.flatnonzero(np.bincount(indices, minlength=n) > 1)
    if len(twice):
        raise file.error(f"the linear bias of {twice[0]} occurs twice")
    linear = np.zeros(n)
    linear[indices] = header.scale * own
    biases *= header.scale
    kind = cast(Literal["BINARY", "SPIN"], vartype)
    model = _checked(file, linear, rows, columns, biases, header.scale * header.offset, kind, header.sense)
    if n > most_labelled:
        return model
    occurring = np.zeros(n, np.bool_)
    for each in (indices, rows, columns):
        occurring[each] = True
    return _labelled(model, np.flatnonzero(occurring))


def read_large_npz(file: TextFile, most_labelled: int = MOST_LABELLED) -> SparseModel | None:
    """Read an archive of arrays; they are mapped into memory where they are not compressed.

    Args:
        file: the file, whose limit of size holds for arrays that are compressed.
        most_labelled: see `read_large`.

    Returns:
        The model; None if the archive holds no more than `most_labelled` variables, labels, or a dense matrix.

    Raises:
        FileFormatError: the file cannot be read, or its arrays make no model.

    Example:
        >>> import tempfile
        >>> pair = {"rows": np.array([0]), "columns": np.array([1]), "biases": np.array([-2.0])}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "model.npz"), linear=np.zeros(2), **pair)
        ...     model = read_large_npz(TextFile(Path(folder, "model.npz")), most_labelled=0)
        >>> model.num_interactions, type(model.biases).__name__
        (1, 'memmap')
    """
    arrays = mapped_arrays(file)
    known = arrays.keys() >= _ARRAYS and "labels" not in arrays
    if not known and "format" not in arrays:
        return None
    sense = read_text(file, arrays, "sense", "min")
    vartype = read_text(file, arrays, "vartype", "BINARY") if known else "BINARY"
    if sense not in ("min", "max") or vartype not in ("BINARY", "SPIN"):
        raise file.error(f"has the sense {sense!r} and the vartype {vartype!r}; known: min, max, BINARY, SPIN")
    if known:
        linear, rows, columns, biases = (arrays[name] for name in ("linear", "rows", "columns", "biases"))
    else:
        linear, rows, columns, biases = _terms(read_sparse_matrix(file, arrays))
    if len(linear) <= most_labelled:
        return None
    kind, own = cast(Literal["BINARY", "SPIN"], vartype), cast(Literal["min", "max"], sense)
    return _checked(file, linear, rows, columns, biases, read_scalar(file, arrays, "offset"), kind, own)


class _NamedError(Exception):
    """A file names variables."""


def _checked(file: TextFile, *fields: Any) -> SparseModel:
    try:
        return SparseModel(*fields)
    except FormulationError as fault:
        raise file.error(str(fault)) from fault


def _labelled(model: SparseModel, variables: NDArray[np.int64]) -> Model:
    """Return the model over these of its variables, which include all that have a coupling."""
    place = np.zeros(model.num_variables, np.int32)
    place[variables] = np.arange(len(variables))
    pairs = (place[model.rows], place[model.columns], model.biases)
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        model.linear[variables], pairs, model.offset, model.vartype, variable_order=variables.tolist()
    )
    return Model(bqm, model.sense)


def _terms(matrix: sparse.coo_array) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the linear terms [n] of x'Qx over binary variables, and rows, columns and biases of its couplings."""
    summed = sparse.csr_array(matrix)
    upper, lower = sparse.triu(summed, 1, "csr"), sparse.tril(summed, -1, "csr")
    couplings = sparse.coo_array(upper + lower.T if lower.nnz else upper)
    rows, columns = (each.astype(np.int32, copy=False) for each in couplings.coords)
    return summed.diagonal().astype(np.float64), rows, columns, couplings.data
