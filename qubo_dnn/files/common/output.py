"""Write files atomically."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from qubo_dnn.errors import OutputError


def write_atomically(path: Path, data: bytes, check: Callable[[Path], None] | None = None) -> None:
    """Write a temporary file beside `path` and then rename it; gzipped if the name ends in `.gz`.

    Args:
        path: path of the file; an existing file is replaced.
        data: the whole content, uncompressed.
        check: called with the temporary file before it is renamed; if it raises, `path` is unchanged.

    Raises:
        OutputError: the file cannot be written; no temporary file remains.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder, "model.coo.gz"), b"# vartype=BINARY")
        ...     gzip.decompress(Path(folder, "model.coo.gz").read_bytes())
        b'# vartype=BINARY'
    """
    if path.name.endswith(".gz"):
        # Omit the time stamp, so that equal models give equal files.
        data = gzip.compress(data, mtime=0)
    beside: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        beside = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # Temporary files are private; give this one the permissions of an ordinary file.
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)
        if check is not None:
            check(beside)
        beside.replace(path)
    except OSError as cause:
        raise OutputError(f"{path} cannot be written: {cause.strerror or cause}") from cause
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuse a path at which no file can be written, before the work whose result it is for.

    Raises:
        OutputError: it is a folder, or its parent is not one that may be written to.

    Example:
        >>> check_writable(Path("/"))
        Traceback (most recent call last):
            ...
        qubo_dnn.errors.OutputError: / cannot be written: it is a folder
    """
    if path.is_dir():
        raise OutputError(f"{path} cannot be written: it is a folder")
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)):
        raise OutputError(f"{path} cannot be written: {path.parent} is not a folder one may write to")
