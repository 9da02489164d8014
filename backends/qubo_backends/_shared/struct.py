"""Records of arrays that kernels take by reference.

Numba takes a named tuple apart: every call between compiled functions hands over seven numbers for each array in it,
which takes most of the time that large kernels take to compile. A `Struct` is one address. Where its arrays are
stands there, and is read where an array is used.

A field may be None. Code below `if struct.field is not None` is then left out before anything is compiled.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import ir as numba_ir
from numba.core.ir_utils import get_definition, guard
from numba.core.rewrites import Rewrite, register_rewrite
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, lower_getattr_generic, models, register_model, unbox
from numba.np.arrayobj import get_itemsize, populate_array
from numpy.typing import NDArray

_WORD = ir.IntType(64)


class Struct:
    """Base of dataclasses, frozen and with `eq=False`, whose fields are arrays, whole numbers, or such classes.

    Compiled code reads the fields by their names, and the entries of arrays may be changed in place.

    Example:
        >>> @dataclasses.dataclass(frozen=True, eq=False)
        ... class Chain(Struct):
        ...     fields: NDArray[np.float64]
        ...     coupling: int
        >>> from numba import njit
        >>> energy = njit(lambda chain: -chain.fields.sum() - chain.coupling)
        >>> float(energy(Chain(np.ones(2), 1)))
        -3.0
    """

    @functools.cached_property
    def _numba_type_(self) -> StructType:
        """What Numba asks any object for that it does not know."""
        return _type_of(type(self).__qualname__, tuple((name, typeof(value)) for name, value in self._fields()))

    @functools.cached_property
    def _words(self) -> NDArray[np.int64]:
        return np.array([word for _, value in self._fields() for word in _words_of(value)], np.int64)

    @functools.cached_property
    def _address(self) -> int:
        return self._words.ctypes.data

    def __getstate__(self) -> dict[str, Any]:
        """Addresses are of this process, and of this object alone."""
        return dict(self._fields())

    def _fields(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]  # type: ignore[arg-type]


class StructType(types.Type):  # type: ignore[misc]
    """Numba's type of a `Struct`.

    Args:
        name: of the class.
        fields: names and types.
    """

    def __init__(self, name: str, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = dict(fields)
        self.places, size = {}, 0
        for field, kind in fields:
            self.places[field] = size
            size += 1 + 2 * kind.ndim if isinstance(kind, types.Array) else 1
        # Names of compiled functions contain it: written out it would be long to hand over.
        digest = hashlib.blake2b(repr(fields).encode(), digest_size=6).hexdigest()
        super().__init__(f"{name}.{digest}")


@functools.cache
def _type_of(name: str, fields: tuple[tuple[str, types.Type], ...]) -> StructType:
    return StructType(name, fields)


def _words_of(value: Any) -> list[int]:
    if isinstance(value, np.ndarray):
        return [value.ctypes.data, *value.shape, *value.strides]
    return [value._address if isinstance(value, Struct) else value or 0]


register_model(StructType)(models.OpaqueModel)


@unbox(StructType)  # type: ignore[untyped-decorator]
def _unbox(_type: StructType, instance: Any, c: Any) -> NativeValue:
    number = c.pyapi.object_getattr_string(instance, "_address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(address, is_error=c.pyapi.c_api_error())


@infer_getattr
class _StructAttributes(AttributeTemplate):  # type: ignore[misc]
    key = StructType

    def generic_resolve(self, struct: StructType, name: str) -> types.Type | None:
        return struct.fields.get(name)


@lower_getattr_generic(StructType)  # type: ignore[untyped-decorator]
def _read(context: Any, builder: Any, struct: StructType, address: Any, name: str) -> Any:
    kind, place = struct.fields[name], struct.places[name]
    words = builder.bitcast(address, _WORD.as_pointer())

    def word(index: int) -> Any:
        loaded = builder.load(builder.gep(words, [ir.Constant(_WORD, place + index)]))
        # No store changes it: what was read once need not be read again.
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    if kind == types.none:
        return context.get_dummy_value()
    if not isinstance(kind, types.Array):
        return word(0) if isinstance(kind, types.Integer) else builder.inttoptr(word(0), address.type)
    array = context.make_array(kind)(context, builder)
    itemsize = context.get_constant(types.intp, get_itemsize(context, kind))
    shape = [word(1 + axis) for axis in range(kind.ndim)]
    strides = [word(1 + kind.ndim + axis) for axis in range(kind.ndim)]
    if kind.layout == "C":
        strides = [itemsize]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
    data = builder.inttoptr(word(0), array.data.type)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


@register_rewrite("before-inference")
class _Absence(Rewrite):  # type: ignore[misc]
    """Write None for fields that are None, so that Numba sees the branches that are never taken, and drops them."""

    def __init__(self, state: Any) -> None:
        self._arguments = state.args

    def match(self, function: Any, block: Any, _typemap: Any, _calltypes: Any) -> bool:
        self._function, self._block = function, block
        reads = [each for each in block.find_insts(numba_ir.Assign) if isinstance(each.value, numba_ir.Expr)]
        self._absent = [each for each in reads if self._type(each.value) == types.none]
        return bool(self._absent)

    def apply(self) -> Any:
        for assignment in self._absent:
            assignment.value = numba_ir.Const(None, assignment.loc)
            self._function._definitions[assignment.target.name] = [assignment.value]
        return self._block

    def _type(self, value: Any) -> types.Type | None:
        """The type of an argument, or of a field of a `Struct` that is one; None for anything else."""
        if isinstance(value, numba_ir.Arg):
            return self._arguments[value.index]
        if isinstance(value, numba_ir.Expr) and value.op == "getattr":
            struct = self._type(guard(get_definition, self._function, value.value))
            return struct.fields.get(value.attr) if isinstance(struct, StructType) else None
        return None
