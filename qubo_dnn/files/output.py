"""Files written whole or not at all."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from qubo_dnn.errors import OutputError


def write_atomically(path: Path, data: bytes, check: Callable[[Path], None] | None = None) -> None:
    """Write beside `path` first and then put it in place; gzipped where its name ends in `.gz`.

    Args:
        path: what is there already is replaced.
        data: the whole content, not yet compressed.
        check: looks at what was written, before it is put in place; whatever it raises leaves `path` as it was.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    if path.name.endswith(".gz"):
        # Without a time stamp, so that equal models make equal files.
        data = gzip.compress(data, mtime=0)
    beside: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        beside = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # Such files are made private; this one is to be as any other file of the user's.
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
