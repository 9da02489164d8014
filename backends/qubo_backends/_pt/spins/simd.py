"""Vector instructions for the kernels, written out.

Left to itself the compiler checks in every inner loop whether its arrays overlap, which costs more than the 32
additions that follow. The intrinsics below say in LLVM's own terms what is loaded and stored; widths that a processor
lacks are split up by LLVM. They work on flat arrays and see no bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic

LANES = 32
"""Replicas, or spins, that one vector operation handles."""

# Chance of a move that lowers the energy or leaves it; others are as much less likely. Were it 1, a sweep in fixed
# order could be periodic: a model without biases would know two states.
LAZINESS = 15 / 16

_INDEX, _INT, _MASK = ir.IntType(64), ir.IntType(32), ir.IntType(LANES)
_INTS = ir.VectorType(_INT, LANES)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's decorator; callers do not give the first argument, the typing context."""
    made: Callable[..., Any] = numba_intrinsic(function)
    return made


def _fill(vector: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(vector, [value] * LANES)


class _Writer:
    """Vector operations of one float type at the end of a block."""

    def __init__(self, context: Any, builder: Any, dtype: types.Float) -> None:
        self.context, self.builder = context, builder
        self.scalar = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
        self.floats = ir.VectorType(self.scalar, LANES)
        self.bytes = 4 if dtype == types.float32 else 8

    def data(self, array_type: Any, array: Any) -> Any:
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def at(self, data: Any, index: Any, vector: ir.VectorType) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [index]), vector.as_pointer())

    def load(self, pointer: Any, size: int = 4) -> Any:
        value = self.builder.load(pointer)
        value.align = size
        return value

    def store(self, value: Any, pointer: Any, size: int = 4) -> None:
        self.builder.store(value, pointer).align = size

    def constant(self, value: float) -> ir.Constant:
        return _fill(self.floats, value)

    def spread(self, value: Any, kind: ir.VectorType) -> Any:
        """All lanes equal to a scalar."""
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(_INT, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(_INTS, [0] * LANES))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        kind = "f32" if self.bytes == 4 else "f64"
        signature = ir.FunctionType(self.floats, [self.floats] * 3)
        name = f"llvm.fmuladd.v{LANES}{kind}"
        return self.builder.call(self.builder.module.declare_intrinsic(name, (), signature), [a, b, c])

    def uniform(self, state: Any) -> Any:
        """Numbers in (0, 1), multiples of 2^-25, from a step of every lane's xorshift32 (Marsaglia 2003)."""
        x = self.load(state)
        for shift, step in ((self.builder.shl, 13), (self.builder.lshr, 17), (self.builder.shl, 5)):
            x = self.builder.xor(x, shift(x, _fill(_INTS, step)))
        self.store(x, state)
        whole = self.builder.sitofp(self.builder.lshr(x, _fill(_INTS, 8)), self.floats)
        return self.multiply_add(whole, self.constant(2.0**-24), self.constant(2.0**-25))

    def exp(self, x: Any) -> Any:
        """`exp(x)` for x >= 0, as the 16th power of `exp(x / 16)`: within 1e-4 up to 8, 1 % at 17, then infinite."""
        z = self.builder.fmul(x, self.constant(1 / 16))
        power = self.multiply_add(z, self.constant(1 / 120), self.constant(1 / 24))
        for coefficient in (1 / 6, 1 / 2, 1.0, 1.0):
            power = self.multiply_add(z, power, self.constant(coefficient))
        for _ in range(4):
            power = self.builder.fmul(power, power)
        return power

    def any(self, lanes: Any) -> Any:
        """The lanes as an integer, one bit each."""
        return self.builder.bitcast(lanes, _MASK)


class _Floating:
    """Spins and fields as floating-point numbers."""

    def __init__(self, writer: _Writer) -> None:
        self._writer, self._builder = writer, writer.builder
        self.kind, self.bytes = writer.floats, writer.bytes

    def aligned(self, spins: Any, fields: Any) -> Any:
        """Spins times fields."""
        return self._builder.fmul(spins, fields)

    def flip(self, spins: Any, taken: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
        """The spins with those taken turned over, and what makes of weight and fields of a neighbour the new fields."""
        b, w = self._builder, self._writer
        change = b.select(taken, b.fmul(spins, w.constant(-2.0)), w.constant(0.0))
        return b.fadd(spins, change), lambda weight, fields: b.fadd(b.fmul(weight, change), fields)


class _Whole:
    """The same as integers of one or two bytes, twice or four times as many of which fit into a vector.

    Processors have no multiplication of single bytes: signs are turned by `(a ^ m) - m`, with m = -1 where they are.
    What overflows on the way comes back, since the results do not.
    """

    def __init__(self, writer: _Writer, stored: types.Integer) -> None:
        self._writer, self._builder = writer, writer.builder
        self.kind, self.bytes = ir.VectorType(ir.IntType(stored.bitwidth), LANES), stored.bitwidth // 8

    def _negated(self, numbers: Any, where: Any) -> Any:
        return self._builder.sub(self._builder.xor(numbers, where), where)

    def aligned(self, spins: Any, fields: Any) -> Any:
        """See `_Floating.aligned`, as floats."""
        b, w = self._builder, self._writer
        down = b.sext(b.icmp_signed("<", spins, _fill(self.kind, 0)), self.kind)
        return b.sitofp(self._negated(fields, down), w.floats)

    def flip(self, spins: Any, taken: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
        """See `_Floating.flip`."""
        b = self._builder
        mask = b.sext(taken, self.kind)
        up = b.sext(b.icmp_signed(">", spins, _fill(self.kind, 0)), self.kind)

        def step(weight: Any, fields: Any) -> Any:
            return b.add(b.and_(self._negated(b.add(weight, weight), up), mask), fields)

        return self._negated(spins, mask), step


@intrinsic
def visit_spin(
    _typing: Any,
    spin: Any,
    spins: Any,
    fields: Any,
    random: Any,
    slopes: Any,
    changes: Any,
    flips: Any,
    block: Any,
    starts: Any,
    columns: Any,
    values: Any,
) -> Any:
    """Offer one spin of 32 replicas a flip, by Metropolis, and keep the fields of its neighbours.

    Args (all but `spin` and `block` flat arrays):
        spin: index i.
        spins: [n * 32] of -1 and 1, the replicas of a spin side by side; int8, int16, float32 or
            float64.
        fields: [n * 32] `h_i + sum_j J_ij s_j`, of the same type.
        random: [blocks * 32] uint32 states, none of them 0.
        slopes: [blocks * 32] float32 (float64 for such spins), -2 times the inverse temperature of each replica.
        changes: [blocks * 32] of the same type, receives the sum of energy changes, as -2 s_i f_i is one.
        flips: [1] int64, receives the number of flips.
        block: index of these 32 replicas' first entry in the arrays with blocks.
        starts, columns, values: rows of the couplings, values of the type of the fields.
    """
    signature = types.void(
        types.intp, spins, fields, random, slopes, changes, flips, types.intp, starts, columns, values
    )

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        b, stored = builder, signature.args[1].dtype
        w = _Writer(context, builder, types.float64 if stored == types.float64 else types.float32)
        i, block = args[0], args[7]
        arrays = {k: w.data(signature.args[k], args[k]) for k in (1, 2, 3, 4, 5, 6, 8, 9, 10)}
        numbers = _Whole(w, stored) if isinstance(stored, types.Integer) else _Floating(w)
        kind, size = numbers.kind, numbers.bytes
        row = b.mul(i, ir.Constant(_INDEX, LANES))
        spins_at, fields_at = w.at(arrays[1], row, kind), w.at(arrays[2], row, kind)
        s, f = w.load(spins_at, size), w.load(fields_at, size)
        aligned = numbers.aligned(s, f)
        u = w.uniform(w.at(arrays[3], block, _INTS))
        x = b.fmul(aligned, w.load(w.at(arrays[4], block, w.floats), w.bytes))
        uphill = b.select(b.fcmp_ordered(">", x, w.constant(0.0)), x, w.constant(0.0))
        taken = b.fcmp_ordered("<", b.fmul(u, w.exp(uphill)), w.constant(LAZINESS))
        lanes = w.any(taken)
        with b.if_then(b.icmp_unsigned("!=", lanes, ir.Constant(_MASK, 0))):
            flipped, step = numbers.flip(s, taken)
            w.store(flipped, spins_at, size)
            gained = b.select(taken, aligned, w.constant(0.0))
            changes_at = w.at(arrays[5], block, w.floats)
            changed = w.multiply_add(gained, w.constant(-2.0), w.load(changes_at, w.bytes))
            w.store(changed, changes_at, w.bytes)
            counted = b.add(b.load(arrays[6]), b.zext(b.ctpop(lanes), _INDEX))
            b.store(counted, arrays[6])
            begin = b.load(b.gep(arrays[8], [i]))
            end = b.load(b.gep(arrays[8], [b.add(i, ir.Constant(_INDEX, 1))]))
            with cgutils.for_range_slice(b, begin, end, ir.Constant(_INDEX, 1), _INDEX) as (k, _):
                column = b.zext(b.load(b.gep(arrays[9], [k])), _INDEX)
                weight = w.spread(b.load(b.gep(arrays[10], [k])), kind)
                target = w.at(arrays[2], b.mul(column, ir.Constant(_INDEX, LANES)), kind)
                w.store(step(weight, w.load(target, size)), target, size)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def mask_ready(_typing: Any, spins: Any, fields: Any, thresholds: Any, first: Any) -> Any:
    """Which of 32 spins, from `first` on, have `s_i f_i > threshold_i`: one bit each, as uint32."""
    signature = types.uint32(spins, fields, thresholds, types.intp)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w = _Writer(context, builder, signature.args[0].dtype)
        s, f, t = (w.load(w.at(w.data(signature.args[k], args[k]), args[3], w.floats), w.bytes) for k in range(3))
        return w.any(builder.fcmp_ordered(">", builder.fmul(s, f), t))

    return signature, codegen


@intrinsic
def draw_thresholds(_typing: Any, thresholds: Any, random: Any, half_temperature: Any) -> Any:
    """Fill `thresholds` so that spin i is to be flipped where `s_i f_i > threshold_i`, as Metropolis would.

    A flip changes the energy by -2 s f, so u < L exp(2 s f / T), with u < L for s f > 0, is s f > T/2 ln(u / L). ln u
    is taken from exponent and mantissa m of u, with ln m = 2 artanh((m - 1) / (m + 1)) as a series: within 2e-5.

    Args:
        thresholds: [32 k] float32 or float64.
        random: [32] uint32 states of the lanes' generators.
        half_temperature: T/2, of the same type.
    """
    signature = types.void(thresholds, random, thresholds.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        single, own = (_Writer(context, builder, dtype) for dtype in (types.float32, signature.args[0].dtype))
        b = builder
        array = context.make_array(signature.args[0])(context, b, args[0])
        state = own.at(own.data(signature.args[1], args[1]), ir.Constant(_INDEX, 0), _INTS)
        zero, step = ir.Constant(_INDEX, 0), ir.Constant(_INDEX, LANES)
        with cgutils.for_range_slice(b, zero, array.nitems, step, _INDEX) as (at, _):
            bits = b.bitcast(single.uniform(state), _INTS)
            exponent = b.sitofp(b.sub(b.lshr(bits, _fill(_INTS, 23)), _fill(_INTS, 127)), single.floats)
            mantissa = b.or_(b.and_(bits, _fill(_INTS, 0x7FFFFF)), _fill(_INTS, 0x3F800000))
            m = b.bitcast(mantissa, single.floats)
            t = b.fdiv(b.fsub(m, single.constant(1.0)), b.fadd(m, single.constant(1.0)))
            q = b.fmul(t, t)
            series = single.constant(2 / 7)
            for coefficient in (2 / 5, 2 / 3, 2.0):
                series = single.multiply_add(q, series, single.constant(coefficient))
            rest = single.multiply_add(t, series, single.constant(-math.log(LAZINESS)))
            ln = single.multiply_add(exponent, single.constant(math.log(2.0)), rest)
            drawn = b.select(b.fcmp_ordered("<", ln, single.constant(0.0)), ln, single.constant(math.inf))
            if own.bytes == 8:
                drawn = b.fpext(drawn, own.floats)
            own.store(b.fmul(drawn, own.spread(args[2], own.floats)), own.at(array.data, at, own.floats), own.bytes)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def lowest_bit(_typing: Any, mask: Any) -> Any:
    """Position of the lowest bit of a uint32 that is not 0."""
    signature = types.intp(types.uint32)

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.zext(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), _INDEX)

    return signature, codegen
