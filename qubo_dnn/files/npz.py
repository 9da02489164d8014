"""NumPy archives (`.npz`): a matrix Q, dense or sparse, or a model with labels, offset and vartype.

The names of the arrays determine the kind of file:

- `Q`, or one array of any other name: [n, n]; the objective is `x' Q x` over the binary variables 0 to n - 1, so
  entries off the diagonal count once each, and a symmetric matrix and its triangles differ;
- the arrays of `scipy.sparse.save_npz`, with the same meaning;
- `linear` [n], `rows`, `columns` and `biases` [m], `offset`, `labels` (n JSON texts), `vartype` and `sense`, the
  form that `npz_bytes` writes. The last four may be missing: 0, the numbers 0 to n - 1, BINARY, min. `offset` and
  `sense` may also accompany Q.

Nothing is unpickled, and an array is created only after its size agrees with the number of bytes in the file.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast, get_args

import dimod
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy import sparse

from qubo_dnn.errors import FileFormatError
from qubo_dnn.files.common.indexed import entries, read_label
from qubo_dnn.files.common.model import Model, ObjectiveSense, plain_label
from qubo_dnn.files.common.text import TextFile

_OURS = {"linear", "rows", "columns", "biases"}
_EXTRAS = {"offset", "sense"}
_SPARSE = {"csr": sparse.csr_array, "csc": sparse.csc_array, "coo": sparse.coo_array}
MOST_CELLS = 2**27
"""Largest number of entries of a dense matrix: 1 GiB in double precision."""


def read_npz(file: TextFile | Path) -> Model:
    """Read a model.

    Raises:
        FileFormatError: the file cannot be read, or contains something else; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "model.npz"), Q=[[1.0, -2.0], [0.0, 3.0]])
        ...     bqm = read_npz(Path(folder, "model.npz")).bqm
        >>> float(bqm.quadratic[0, 1])
        -2.0
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    arrays = _arrays(file)
    sense = read_text(file, arrays, "sense", "min")
    if sense not in get_args(ObjectiveSense):
        raise file.error(f"sense is {sense!r}, neither min nor max")
    if arrays.keys() >= _OURS:
        bqm = _model(file, arrays)
    else:
        matrix = read_sparse_matrix(file, arrays) if "format" in arrays else _dense(file, arrays)
        bqm = _from_matrix(file, matrix)
        bqm.offset += read_scalar(file, arrays, "offset")
    return Model(bqm, cast(ObjectiveSense, sense))


def npz_bytes(model: Model) -> bytes:
    """Return the bytes of a file from which `read_npz` reads the same model.

    Raises:
        UnsupportedProblemError: a label is neither an integer nor a text.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> sorted(np.load(io.BytesIO(npz_bytes(model))))
        ['biases', 'columns', 'labels', 'linear', 'offset', 'rows', 'sense', 'vartype']
    """
    linear, quadratic = entries(model.bqm)
    rows, columns, biases = zip(*quadratic, strict=True) if quadratic else ((), (), ())
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        linear=np.array(linear, float),
        rows=np.array(rows, np.int64),
        columns=np.array(columns, np.int64),
        biases=np.array(biases, float),
        offset=np.array(float(model.bqm.offset)),
        labels=np.array([json.dumps(plain_label(label, ".npz")) for label in model.bqm.variables], np.str_),
        vartype=np.array(model.bqm.vartype.name),
        sense=np.array(model.sense),
    )
    return stream.getvalue()


def mapped_arrays(file: TextFile) -> dict[str, NDArray[Any]]:
    """Return all arrays of an archive, mapped into memory where they are not compressed.

    Raises:
        FileFormatError: the file cannot be read, is no archive of arrays, or what is compressed is too large.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "model.npz"), Q=np.eye(2))
        ...     type(mapped_arrays(TextFile(Path(folder, "model.npz")))["Q"]).__name__
        'memmap'
    """
    with _opened(file, file.path) as archive:
        return {name: _mapped(file, name, archive, member) for name, member in _members(file, archive)}


def _arrays(file: TextFile) -> dict[str, NDArray[Any]]:
    """Read all arrays, within the limit on the decompressed size."""
    with _opened(file, io.BytesIO(file.content())) as archive:
        members = _members(file, archive)
        if sum(member.file_size for _, member in members) > file.most_bytes:
            raise file.error(f"holds more than {file.most_bytes:,} bytes")
        return {name: _array(file, name, archive, member) for name, member in members}


@contextmanager
def _opened(file: TextFile, source: Path | io.BytesIO) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except FileFormatError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as cause:
        raise file.error(f"is not an archive of arrays: {cause}") from cause


def _members(file: TextFile, archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    members = [(member.filename.removesuffix(".npy"), member) for member in archive.infolist()]
    if len({name for name, _ in members}) < len(members):
        raise file.error("holds two arrays of the same name")
    return members


def _mapped(file: TextFile, name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        return _array(file, name, archive, member)
    with file.path.open("rb") as stream:
        # The header before a member: 30 bytes, of which four say how long its name and its extra field are.
        stream.seek(member.header_offset + 26)
        stream.seek(sum(struct.unpack("<HH", stream.read(4))), io.SEEK_CUR)
        begin = stream.tell()
        shape, fortran, dtype = _header(file, name, stream)
        if math.prod(shape) * dtype.itemsize != member.file_size - (stream.tell() - begin):
            raise file.error(f"{name!r} has the shape {shape}, but {member.file_size} bytes")
        if not math.prod(shape) or not shape:
            return np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
        return np.memmap(stream, dtype, "r", stream.tell(), shape, "F" if fortran else "C")


def _array(file: TextFile, name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        # Do not trust the sizes in the directory of the archive.
        data = stream.read(file.most_bytes + 1)
    if len(data) > file.most_bytes:
        raise file.error(f"holds more than {file.most_bytes:,} bytes")
    source = io.BytesIO(data)
    shape, fortran, dtype = _header(file, name, source)
    body = data[source.tell() :]
    if math.prod(shape) * dtype.itemsize != len(body):
        raise file.error(f"{name!r} has the shape {shape}, but {len(body)} bytes")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: TextFile, name: str, source: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array: shape, whether in Fortran's order, and type."""
    try:
        version = npy.read_magic(source)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(source)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as cause:
        raise file.error(f"{name!r} is not an array: {cause}") from cause
    if dtype.hasobject or dtype.kind not in "biufUS" or dtype.names is not None:
        raise file.error(f"{name!r} has entries of the type {dtype}, not numbers or texts")
    if any(size < 0 for size in shape):
        raise file.error(f"{name!r} has the shape {shape}")
    return shape, fortran, dtype


def _model(file: TextFile, arrays: Mapping[str, NDArray[Any]]) -> dimod.BinaryQuadraticModel:
    linear, biases = (_numbers(file, arrays, name, 1) for name in ("linear", "biases"))
    rows, columns = (_indices(file, arrays, name, len(linear)) for name in ("rows", "columns"))
    if not len(rows) == len(columns) == len(biases) or (rows == columns).any():
        raise file.error("rows, columns and biases do not make interactions")
    if len(np.unique(np.minimum(rows, columns) * len(linear) + np.maximum(rows, columns))) < len(rows):
        raise file.error("has an interaction twice")
    vartype = read_text(file, arrays, "vartype", "BINARY")
    if vartype not in ("BINARY", "SPIN"):
        raise file.error(f"vartype is {vartype!r}, neither BINARY nor SPIN")
    labels = _labels(file, arrays["labels"]) if "labels" in arrays else list(range(len(linear)))
    if len(labels) != len(linear) or len(set(labels)) < len(labels):
        raise file.error(f"has {len(set(labels))} different labels for {len(linear)} variables")
    offset = read_scalar(file, arrays, "offset")
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        linear, (rows, columns, biases), offset, vartype, variable_order=labels
    )


def _labels(file: TextFile, texts: NDArray[Any]) -> list[int | str]:
    if texts.ndim != 1 or (texts.dtype.kind != "U" and texts.size):
        raise file.error("labels are not a list of texts")
    return [read_label(file, str(text)) for text in texts.tolist()]


def _dense(file: TextFile, arrays: Mapping[str, NDArray[Any]]) -> sparse.coo_array:
    names = ["Q"] if "Q" in arrays else [name for name in arrays if name not in _EXTRAS]
    if len(names) != 1:
        raise file.error(f"holds no array Q but {', '.join(map(repr, arrays)) or 'nothing'}")
    matrix = _numbers(file, arrays, names[0], 2)
    if matrix.shape[0] != matrix.shape[1]:
        raise file.error(f"{names[0]!r} has the shape {matrix.shape}, which is not square")
    return sparse.coo_array(matrix)


def read_sparse_matrix(file: TextFile, arrays: Mapping[str, NDArray[Any]]) -> sparse.coo_array:
    """Read a matrix of `scipy.sparse.save_npz`; indices are checked here, because scipy's reader trusts them.

    Raises:
        FileFormatError: the arrays make no square matrix.

    Example:
        >>> arrays = {"format": np.array(b"coo"), "shape": np.array([2, 2]), "data": np.array([5.0])}
        >>> arrays |= {"row": np.array([0]), "col": np.array([1])}
        >>> read_sparse_matrix(TextFile(Path("model.npz")), arrays).toarray().tolist()
        [[0.0, 5.0], [0.0, 0.0]]
    """
    kind = arrays["format"].tobytes().replace(b"\0", b"").decode("ascii", "replace")
    if kind not in _SPARSE:
        raise file.error(f"holds a sparse matrix of the format {kind!r}; known: {', '.join(_SPARSE)}")
    needed = ("shape", "data", "row", "col") if kind == "coo" else ("shape", "data", "indices", "indptr")
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise file.error(f"lacks the array {missing[0]!r} of a sparse matrix")
    shape = _indices(file, arrays, "shape", 2**40)
    if shape.shape != (2,) or shape[0] != shape[1] or shape[0] > len(arrays["data"]) + MOST_CELLS:
        raise file.error(f"holds a sparse matrix of the shape {shape.tolist()}, which is not square or too large")
    n = int(shape[0])
    data = _numbers(file, arrays, "data", 1)
    if kind == "coo":
        rows, columns = (_indices(file, arrays, name, n) for name in ("row", "col"))
    else:
        starts, columns = _indices(file, arrays, "indptr", len(data) + 1), _indices(file, arrays, "indices", n)
        counts = np.diff(starts)
        if len(starts) != n + 1 or starts[0] != 0 or starts[-1] != len(data) or (counts < 0).any():
            raise file.error("'indptr' does not fit the sparse matrix")
        rows = np.repeat(np.arange(n), counts)
        if kind == "csc":
            rows, columns = columns, rows
    if not len(rows) == len(columns) == len(data):
        raise file.error("the arrays of the sparse matrix differ in length")
    return sparse.coo_array((data, (rows, columns)), shape=(n, n))


def _from_matrix(file: TextFile, matrix: sparse.coo_array) -> dimod.BinaryQuadraticModel:
    n = matrix.shape[0]
    rows, columns = matrix.coords
    linear = np.zeros(n)
    diagonal = rows == columns
    with np.errstate(over="ignore"):  # refused below
        np.add.at(linear, rows[diagonal], matrix.data[diagonal])
    off = ~diagonal & (matrix.data != 0.0)
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        linear, (rows[off], columns[off], matrix.data[off]), 0.0, dimod.BINARY, variable_order=range(n)
    )
    if not np.isfinite(bqm.to_numpy_vectors().quadratic.biases).all() or not np.isfinite(linear).all():
        raise file.error("entries add up beyond the range of a float")
    return bqm


def _numbers(file: TextFile, arrays: Mapping[str, NDArray[Any]], name: str, dimensions: int) -> NDArray[np.float64]:
    array = arrays[name]
    if array.dtype.kind not in "biuf" or array.ndim != dimensions or array.size > MOST_CELLS:
        raise file.error(
            f"{name!r} is not an array of numbers with {dimensions} axes and at most {MOST_CELLS:,} entries"
        )
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise file.error(f"{name!r} has an entry that is not a finite number")
    return values


def _indices(file: TextFile, arrays: Mapping[str, NDArray[Any]], name: str, size: int) -> NDArray[np.int64]:
    array = arrays[name]
    if (
        array.dtype.kind not in "iu"
        or array.ndim != 1
        or (array < 0).any()
        or (array >= max(size, 1)).any()
        or (size == 0 and array.size)
    ):
        raise file.error(f"{name!r} is not a list of integers from 0 to {size - 1}")
    return array.astype(np.int64)


def read_scalar(file: TextFile, arrays: Mapping[str, NDArray[Any]], name: str) -> float:
    """Return a number of an archive, 0.0 if it has none.

    Raises:
        FileFormatError: the array of this name is not a finite number.

    Example:
        >>> read_scalar(TextFile(Path("model.npz")), {"offset": np.array(1.5)}, "offset")
        1.5
    """
    array = arrays.get(name, np.zeros(()))
    if array.shape != () or array.dtype.kind not in "biuf" or not math.isfinite(float(array)):
        raise file.error(f"{name!r} is not a finite number")
    return float(array)


def read_text(file: TextFile, arrays: Mapping[str, NDArray[Any]], name: str, default: str) -> str:
    """Return a text of an archive, or the default if it has none.

    Raises:
        FileFormatError: the array of this name is not a text.

    Example:
        >>> read_text(TextFile(Path("model.npz")), {}, "sense", "min")
        'min'
    """
    array = arrays.get(name, np.array(default))
    if array.shape != () or array.dtype.kind != "U":
        raise file.error(f"{name!r} is not a text")
    return str(array)
