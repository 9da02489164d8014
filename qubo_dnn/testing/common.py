"""What both conformance kits share."""

from __future__ import annotations


class NotApplicable(Exception):  # noqa: N818  (an outcome of a case, like pytest's Skipped, not an error)
    """A conformance case does not apply to this plugin; the text names what it lacks."""


def require(condition: object, message: str) -> None:
    """Fail the running case unless `condition` is true; unlike `assert`, it survives `python -O`.

    Raises:
        AssertionError: the condition is false; the text is `message`.
    """
    if not condition:
        raise AssertionError(message)
