"""Options that must not be written anywhere, such as tokens of services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(
    r"token|secret|passw(or)?d|passphrase|credential|(api|private|access)[-_ ]?key|(^|[-_ ])auth($|[-_ ])"
)
MASK = "***"


def masked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, and mappings within them, with a mask for values whose names say that they are secret.

    Example:
        >>> masked({"num_reads": 5, "service": {"api_token": "DEV-012"}})
        {'num_reads': 5, 'service': {'api_token': '***'}}
    """
    return {str(name): _masked(str(name), value) for name, value in options.items()}


def _masked(name: str, value: Any) -> Any:
    if value is not None and _SECRET.search(name.lower()):
        return MASK
    return masked(value) if isinstance(value, Mapping) else value
