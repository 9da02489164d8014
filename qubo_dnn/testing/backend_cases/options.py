"""Case of the backend kit for the options of one backend: every option must have an effect."""

from __future__ import annotations

import math
import time
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from qubo_dnn.backend import UNSEEN, Backend, SolveOptions, make_options
from qubo_dnn.errors import OptionError, QuboDnnError
from qubo_dnn.testing.backend_cases.answers import ask, fitting, rows_of
from qubo_dnn.testing.backend_cases.models import frustrated_model, rugged_model
from qubo_dnn.testing.common import NotApplicable, expect

MOST = 3
"""Largest number of values to try per option."""
LARGEST = 100
"""Largest value to try, since the cost of a run often grows with an option."""

READS, MOST_READS = 4, 1000
"""Reads of a call whose samples are compared, and largest number of reads of a call whose time is."""
SECONDS = 0.1
"""A call whose time is compared takes about this long with the default options, within `MOST_READS`."""

Values = Mapping[str, Any]
Times = tuple[float, float]
"""Wall-clock seconds and CPU seconds of this process."""


def own_options_have_an_effect(backend: Backend) -> None:
    """Other values of an option change the samples of a seed or the time of a call, or are refused.

    The values are the field's `examples`, or follow from its type and range. If no value has an effect alone, the case
    combines it with another value of one other option. It skips options for which the kit cannot choose values, and
    options whose `json_schema_extra` gives, under `qubo_dnn.backend.UNSEEN`, the reason why small models do not show
    their effect.

    Example:
        >>> from qubo_dnn.registry import get_backend
        >>> own_options_have_an_effect(get_backend("steepest-descent"))
    """
    if not backend.capabilities.seeded:
        raise NotApplicable("capabilities.seeded is False: an effect cannot be distinguished from chance")
    own = {
        name: field
        for name, field in backend.options_type.model_fields.items()
        if name not in SolveOptions.model_fields
    }
    if not own:
        raise NotApplicable("the backend has only the common options")
    looks = _Looks(backend)
    for name, field in own.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get(UNSEEN):
            continue
        values = [value for value in other_values(field) if looks.accepts({name: value})][:MOST]
        expect(
            not values or _has_effect(looks, own, name, values),
            f"the option {name!r} is ignored: {', '.join(map(repr, values))} and the default give the same samples in "
            f"the same time (if small models cannot show it: json_schema_extra={{{UNSEEN!r}: reason}} in its field)",
        )


def other_values(field: FieldInfo) -> Iterator[Any]:
    """Yield values of an option other than its default, the fastest ones first.

    Example:
        >>> from pydantic import Field
        >>> list(other_values(FieldInfo.from_annotated_attribute(bool, Field(default=False))))
        [True]
    """
    made = field.examples if field.examples else _made_up(field)
    yield from (value for value in dict.fromkeys(made) if value != field.default)


class _Looks:
    """Cache of a backend's samples and times for option values."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        # The first model has many ground states, from which a sampler chooses at random. The second one is too hard for
        # a sampler that returns the lowest states with any options; it is small if the backend takes few variables.
        large = 40 if fitting(backend, 40) == 40 else fitting(backend, 12)
        self.models = frustrated_model(fitting(backend, 15)), rugged_model(large, 7, "SPIN")
        self.order = list(range(len(self.models)))
        self.seen: dict[tuple[int, str], tuple[Any, Times]] = {}
        self.least: dict[str, Times] = {}
        ask(
            backend, self.models[0], num_reads=READS
        )  # the first call may load modules, which must not count for an option

    def accepts(self, values: Values) -> bool:
        """Return whether the backend accepts the values."""
        try:
            make_options(self.backend, values)
        except OptionError:
            return False
        return True

    def samples_differ(self, one: Values, other: Values) -> bool:
        """Return whether the samples of a model differ between the values."""
        for number in self.order:
            if self._call(number, one)[0] != self._call(number, other)[0]:
                # A model that shows the effect of one option is likely to show that of the next one.
                self.order.sort(key=lambda each: each != number)
                return True
        return False

    def times_differ(self, one: Values, other: Values) -> bool:
        """Return whether the times for the first model differ, in one call and in the fastest of three longer ones.

        CPU seconds are reliable on a busy machine; wall-clock seconds count if a call waits for another machine.
        """
        return _far_apart(self._call(0, one)[1], self._call(0, other)[1], 0.001) and _far_apart(
            self._least_seconds(one), self._least_seconds(other), 0.02
        )

    def _call(self, number: int, values: Values) -> tuple[Any, Times]:
        """Return the rows, or the text of the error, and the times of a call."""
        key = (number, repr(sorted(values.items(), key=repr)))
        if key not in self.seen:
            self.seen[key] = self._called(number, values, READS)
        return self.seen[key]

    def _called(self, number: int, values: Values, reads: int) -> tuple[Any, Times]:
        start = time.perf_counter(), time.process_time()
        try:
            rows: Any = rows_of(ask(self.backend, self.models[number], num_reads=reads, **values))
        except QuboDnnError as refused:
            rows = f"{type(refused).__name__}: {refused}"
        return rows, (time.perf_counter() - start[0], time.process_time() - start[1])

    def _least_seconds(self, values: Values) -> Times:
        key = repr(values)
        if key not in self.least:
            # On a fast machine the differences in short calls would drown in noise.
            usual = max(self._call(0, {})[1])
            reads = min(MOST_READS, READS * math.ceil(SECONDS / usual))
            walls, cpus = zip(*(self._called(0, values, reads)[1] for _ in range(3)), strict=True)
            self.least[key] = min(walls), min(cpus)
        return self.least[key]


def _has_effect(looks: _Looks, own: Mapping[str, FieldInfo], name: str, values: list[Any]) -> bool:
    """Return whether some value of an option has an effect, alone or with another value of one other option."""
    alone: list[Values] = [{name: value} for value in values]
    # One value is enough. Samples are compared first, because comparing times takes many calls.
    if any(looks.samples_differ({}, changed) for changed in alone):
        return True
    if any(looks.times_differ({}, changed) for changed in alone):
        return True
    contexts: list[dict[str, Any]] = []
    for key in sorted(own.keys() - {name}, key=lambda key: (not _choices(own[key]), key)):
        contexts += [{key: value} for value in _choices(own[key]) or list(other_values(own[key]))[:1]]
    pairs = [(context, context | {name: value}) for context in filter(looks.accepts, contexts) for value in values]
    pairs = [(context, changed) for context, changed in pairs if looks.accepts(changed)]
    return any(looks.samples_differ(*pair) for pair in pairs)


def _far_apart(one: Times, other: Times, noise: float) -> bool:
    """Return whether two times differ by half of the longer one and by more than the noise, in seconds."""
    return any(abs(a - b) > max(noise, 0.5 * max(a, b)) for a, b in zip(one, other, strict=True))


def _choices(field: FieldInfo) -> list[Any]:
    """Return the values other than the default of an option with only a few values."""
    known: list[Any] = []
    for part in _parts(field.annotation):
        known += [False, True] if part is bool else get_args(part) if get_origin(part) is Literal else []
    return [value for value in known if value != field.default]


def _made_up(field: FieldInfo) -> list[Any]:
    """Choose values by the type and the range of an option; none for texts, paths and other types."""
    parts, choices = _parts(field.annotation), _choices(field)
    if choices or not {int, float} & set(parts):
        return choices
    low, high = _range(field)
    usual = field.default if isinstance(field.default, (int, float)) else None
    numbers = [] if low is None else [low, low + 1]
    numbers += [usual / 10, 2 * usual + 1] if usual is not None else []
    numbers += [0, 1, -LARGEST] if low is None else []
    numbers += [LARGEST if high is None else min(high, LARGEST)]
    if float not in parts:
        return [math.floor(number) for number in numbers]
    if low is not None and high is not None:
        numbers += [0.5 * (low + high), 0.9 * low + 0.1 * high, 0.1 * low + 0.9 * high]
    return [float(number) for number in numbers]


def _range(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the least and the greatest value, if known; exclusive bounds move by 0.001, or by 1 for integers."""
    step = 1.0 if float not in _parts(field.annotation) else 1e-3
    low = high = None
    for rule in field.metadata:
        low = getattr(rule, "ge", low)
        high = getattr(rule, "le", high)
        low = rule.gt + step if hasattr(rule, "gt") else low
        high = rule.lt - step if hasattr(rule, "lt") else high
    return low, high


def _parts(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, including None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [part for each in get_args(annotation) for part in _parts(each)]
    return [annotation]
