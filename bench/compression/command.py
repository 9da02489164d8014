"""What the benchmark's commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.compression.files import replaced
from qubo_dnn.errors import QuboDnnError


def finish(main: Callable[[], None]) -> None:
    """Run a command; a fault that was raised on purpose ends it with one line and its exit code."""
    try:
        main()
    except QuboDnnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def write_json(path: Path, data: Any) -> None:
    """Write plain data; the file appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with replaced(path) as file:
        file.write((json.dumps(data, indent=2) + "\n").encode())
