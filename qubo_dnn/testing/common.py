"""What both conformance kits share."""

from __future__ import annotations

import unittest


class NotApplicable(unittest.SkipTest):
    """A conformance case does not apply to this plugin; the text names what it lacks.

    Both unittest and pytest report a test that raises it as skipped.
    """


def expect(condition: object, message: str) -> None:
    """Fail the running case unless `condition` is true; unlike `assert`, it survives `python -O`.

    Raises:
        AssertionError: the condition is false; the text is `message`.
    """
    if not condition:
        raise AssertionError(message)
