"""What the benchmark's commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable

from qubo_dnn.errors import QuboDnnError


def finish(main: Callable[[], None]) -> None:
    """Run a command; a fault that was raised on purpose ends it with one line and its exit code."""
    try:
        main()
    except QuboDnnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
