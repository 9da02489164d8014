"""dimod's own file of a constrained model (`.cqm`).

dimod's reader trusts the sizes and indices that it finds, and can end the process on a crafted file. So a child
process reads the file first; only what it survives is read here.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import dimod

from qubo_dnn.files.model import ConstrainedModel
from qubo_dnn.files.text import TextFile

MAGIC = b"DIMODCQM"
TRIAL_SECONDS = 120
_TRIAL = "import dimod, sys; dimod.ConstrainedQuadraticModel.from_file(sys.stdin.buffer.read())"


def read_cqm(file: TextFile | Path) -> ConstrainedModel:
    """Read a program, minimised.

    Raises:
        FileFormatError: the file cannot be read or is not what dimod writes; the text names the file.
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
    """Refuse damaged archives, which most faults make, and those that decompress beyond the limit."""
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
