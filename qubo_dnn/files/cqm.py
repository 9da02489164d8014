"""dimod's file format of a constrained model (`.cqm`).

dimod's reader trusts the sizes and indices of the file, and a crafted file can crash the process. Therefore a child
process reads the file first; the file is read here only if the child succeeds.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import dimod

from qubo_dnn.files.common.model import ConstrainedModel
from qubo_dnn.files.common.text import TextFile

MAGIC = b"DIMODCQM"
TRIAL_SECONDS = 120
_TRIAL = "import dimod, sys; dimod.ConstrainedQuadraticModel.from_file(sys.stdin.buffer.read())"


def read_cqm(file: TextFile | Path) -> ConstrainedModel:
    """Read a program to be minimised.

    Raises:
        FileFormatError: the file cannot be read or was not written by dimod; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.cqm")
        ...     _ = path.write_text("not a model")
        ...     read_cqm(path)
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.FileFormatError: ...model.cqm: is not a file that dimod wrote of a constrained model
    """
    file = file if isinstance(file, TextFile) else TextFile(file)
    data = file.content()
    if not data.startswith(MAGIC):
        raise file.error("is not a file that dimod wrote of a constrained model")
    _check_archive(file, data)
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRIAL], input=data, capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as cause:
        raise file.error(f"could not be read within {TRIAL_SECONDS} seconds") from cause
    if tried.returncode != 0:
        lines = tried.stderr.decode("utf-8", "replace").strip().splitlines()
        raise file.error(f"is not a file that dimod can read: {lines[-1] if lines else 'its reader crashed'}")
    return ConstrainedModel(dimod.ConstrainedQuadraticModel.from_file(data))


def _check_archive(file: TextFile, data: bytes) -> None:
    """Refuse damaged archives, the result of most faults, and archives that decompress beyond the limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size <= file.most_bytes:
                damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError, OSError) as cause:
        raise file.error(f"is damaged: {cause}") from cause
    if size > file.most_bytes:
        raise file.error(f"holds more than {file.most_bytes:,} bytes")
    if damaged:
        raise file.error(f"is damaged: {damaged!r}")
