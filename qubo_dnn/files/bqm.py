"""dimod's binary file format of a BQM (`.bqm`), versions 1 and 2.

The docstring of `dimod.BinaryQuadraticModel.to_file` describes the layout. dimod's reader trusts indices and sizes and
crashes on a damaged file; here they are checked before the model is built.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import dimod
import numpy as np
from dimod.variables import iter_deserialize_variables
from numpy.typing import NDArray

from qubo_dnn.errors import UnsupportedProblemError
from qubo_dnn.files.common.model import Model
from qubo_dnn.files.common.text import TextFile

MAGIC = b"DIMODBQM"
_FLOATS, _INTEGERS = ("float32", "float64"), ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")


def read_bqm(file: TextFile | Path) -> Model:
    """Read a model to be minimised, in double precision.

    Raises:
        FileFormatError: the file cannot be read or was not written by dimod; the message names the file.

    Example:
        >>> import tempfile
        >>> model = dimod.BinaryQuadraticModel({"a": 1.0}, {}, "BINARY")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "model.bqm").write_bytes(bqm_bytes(Model(model)))
        ...     read_bqm(Path(folder, "model.bqm")).bqm == model
        True
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    data = file.content()
    header, version, start = _header(file, data)
    try:
        n, m = (int(size) for size in header["shape"])
        kind, index, neighbour = (np.dtype(header[key]) for key in ("dtype", "itype", "ntype"))
        vartype = dimod.as_vartype(header["vartype"])
        labelled = header["variables"]
    except (KeyError, TypeError, ValueError) as cause:
        raise file.error("has a header that dimod does not write") from cause
    known = kind.name in _FLOATS and index.name in _INTEGERS and neighbour.name in _INTEGERS
    if not known or n < 0 or m < 0 or vartype not in (dimod.BINARY, dimod.SPIN):
        raise file.error("has a header that dimod does not write")
    linear_type = np.dtype([("first", neighbour), ("bias", kind)])
    quadratic_type = np.dtype([("other", index), ("bias", kind)])
    sizes = kind.itemsize, n * linear_type.itemsize, 2 * m * quadratic_type.itemsize
    if len(data) < start + sum(sizes):
        raise file.error(f"is cut off: {n} variables and {m} interactions take more bytes")
    offset = np.frombuffer(data, kind, 1, start)
    linear = np.frombuffer(data, linear_type, n, start + sizes[0])
    quadratic = np.frombuffer(data, quadratic_type, 2 * m, start + sizes[0] + sizes[1])
    rest = data[start + sum(sizes) :]
    degrees: NDArray[np.int64] = np.diff(np.append(linear["first"].astype(np.int64), 2 * m))
    other = quadratic["other"].astype(np.int64)
    if (
        (n and linear["first"][0] != 0)
        or (degrees < 0).any()
        or ((other < 0) | (other >= n)).any()
        or degrees.sum() != 2 * m
    ):
        raise file.error("has interactions of variables that are not there")
    own = np.repeat(np.arange(n), degrees)
    lower = other < own
    pairs = own[lower] * n + other[lower]
    if lower.sum() != m or len(np.unique(pairs)) != m:
        raise file.error("has interactions that are not the same in both directions")
    biases = quadratic["bias"].astype(float)
    if not all(np.isfinite(values).all() for values in (offset, linear["bias"], biases)):
        raise file.error("has a bias that is not a finite number")
    labels = _labels(file, labelled if version[0] < 2 else _section(file, rest) if labelled else None, n)
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        linear["bias"].astype(float),
        (other[lower], own[lower], biases[lower]),
        float(offset[0]),
        vartype,
        variable_order=labels,
    )
    return Model(bqm)


def bqm_bytes(model: Model) -> bytes:
    """Return the bytes of a file from which `read_bqm` reads the same model.

    Raises:
        UnsupportedProblemError: the model is maximised, or a label has no JSON form.

    Example:
        >>> model = Model(dimod.BinaryQuadraticModel({"a": 1.0, "b": 2.0}, {("a", "b"): -3.0}, 0.0, "BINARY"))
        >>> bqm_bytes(model)[:8]
        b'DIMODBQM'
    """
    if model.sense == "max":
        raise UnsupportedProblemError(".bqm files hold models to be minimised, and this one is maximised; write .coo")
    try:
        return bytes(model.bqm.to_file().read())
    except (TypeError, ValueError) as cause:
        raise UnsupportedProblemError(f".bqm files cannot carry these labels: {cause}") from cause


def _header(file: TextFile, data: bytes) -> tuple[dict[str, Any], bytes, int]:
    if not data.startswith(MAGIC) or len(data) < 14:
        raise file.error("is not a file that dimod wrote of a BQM")
    version = data[8:10]
    if version not in (b"\1\0", b"\2\0"):
        raise file.error(f"has the version {version[0]}.{version[1]}; 1.0 and 2.0 are known")
    end = 14 + struct.unpack("<I", data[10:14])[0]
    header = _json(file, data[14:end])
    if not isinstance(header, dict) or end > len(data):
        raise file.error("has a header that dimod does not write")
    return header, version, end


def _section(file: TextFile, rest: bytes) -> Any:
    if rest[:4] != b"VARS" or len(rest) < 8:
        raise file.error("lacks its labels")
    return _json(file, rest[8 : 8 + struct.unpack("<I", rest[4:8])[0]])


def _labels(file: TextFile, listed: Any, n: int) -> list[Any]:
    if listed is None:
        return list(range(n))
    if not isinstance(listed, list):
        raise file.error("has labels that dimod does not write")
    try:
        labels = list(iter_deserialize_variables(listed))
        different = len(set(labels))
    except (TypeError, ValueError, RecursionError) as cause:
        raise file.error("has labels that dimod does not write") from cause
    if len(labels) != n or different != n:
        raise file.error(f"has {different} different labels for {n} variables")
    return labels


def _json(file: TextFile, data: bytes) -> Any:
    try:
        return json.loads(data.decode("ascii"))
    except (ValueError, RecursionError) as cause:
        raise file.error("has a part that is not JSON") from cause
