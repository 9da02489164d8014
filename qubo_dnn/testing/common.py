"""Common parts of both conformance kits."""

from __future__ import annotations

import unittest


class NotApplicable(unittest.SkipTest):
    """A conformance case does not apply to this plugin; the text names the missing capability.

    Both unittest and pytest report a test that raises it as skipped.

    Example:
        >>> raise NotApplicable("capabilities.exact is False")
        Traceback (most recent call last):
        qubo_dnn.testing.common.NotApplicable: capabilities.exact is False
    """


def expect(condition: object, message: str) -> None:
    """Fail the running case unless `condition` is true; unlike `assert`, it survives `python -O`.

    Raises:
        AssertionError: the condition is false; the text is `message`.

    Example:
        >>> expect(1 + 1 == 2, "arithmetic is broken")
        >>> expect(1 + 1 == 3, "arithmetic is broken")
        Traceback (most recent call last):
        AssertionError: arithmetic is broken
    """
    if not condition:
        raise AssertionError(message)
