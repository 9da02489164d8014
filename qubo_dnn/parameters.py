"""Check the parameters of a formulation from a command line, and convert strings by their annotations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from qubo_dnn.errors import ArgumentError, OptionError, suggestion
from qubo_dnn.formulation import Formulation
from qubo_dnn.support.arguments import checked


@checked
def make_parameters(
    formulation: type[Formulation[Any]], values: Mapping[str, Any], *, data: bool = False
) -> dict[str, Any]:
    """Validate keyword parameters of a formulation's constructor.

    Args:
        formulation: class whose constructor takes the parameters.
        values: parameter name -> value; None stands for "not given".
        data: if True, `values` may contain the first parameter, which holds the data.

    Returns:
        Parameter name -> value of the annotated type.

    Raises:
        OptionError: a name is unknown (the text suggests a similar one), a value does not have the annotated type, or
            an annotation cannot be resolved at run time or cannot be parsed from a string.

    Example:
        >>> from qubo_dnn.registry import get_formulation
        >>> make_parameters(get_formulation("knapsack"), {"capacity": "12"})
        {'capacity': 12}
    """
    if not hasattr(formulation, "name"):
        raise ArgumentError(f"make_parameters: formulation must be a formulation's class, not {formulation.__name__}")
    known = list(inspect.signature(formulation).parameters)[0 if data else 1 :]
    try:
        hints = get_type_hints(formulation.__init__)
    except NameError as cause:
        raise OptionError(f"formulation {formulation.name!r} has an annotation that cannot be used: {cause}") from cause
    config = ConfigDict(allow_inf_nan=False, arbitrary_types_allowed=True)
    made = {}
    for name, value in values.items():
        if value is None:
            continue
        if name not in known:
            raise OptionError(f"formulation {formulation.name!r} has no parameter {name!r}{suggestion(name, known)}")
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(hints.get(name, Any), config=config)
            made[name] = adapter.validate_python(value)
        except ValidationError as cause:
            text = cause.errors()[0]["msg"]
            raise OptionError(f"formulation {formulation.name!r}, parameter {name}: {text}") from cause
        except PydanticSchemaGenerationError as cause:
            raise OptionError(f"formulation {formulation.name!r}: {name} cannot be typed; put it in a file") from cause
    return made
