"""How are the tensors of a matrix case made? Seeded, and scaled so that outputs vary and saturate."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from firmnet.ir import Call, Dtype, QParams, Shape, Tensor


@dataclass(frozen=True)
class Case:
    """One row of the op matrix: a call with quantized tensors, small enough to run everywhere."""

    label: str
    call: Call


def activation(
    name: str, shape: Shape, scale: float = 0.05, zero_point: int = 3, dtype: Dtype = Dtype.INT8
) -> Tensor:
    """An activation without values."""
    return Tensor(name, shape, QParams((scale,), zero_point, dtype))


def of(dtype: Dtype, name: str, shape: Shape, scale: float = 0.05) -> Tensor:
    """An activation of this type, its zero point 3 where it may have one."""
    return activation(name, shape, scale, 0 if dtype.symmetric else 3, dtype)


WIDE = tuple(dtype for dtype in Dtype if dtype is not Dtype.INT8)


def weight(name: str, shape: Shape, seed: int) -> Tensor:
    """int8 weights −127..127 of any shape with one scale per entry of axis 0."""
    rng = np.random.default_rng(seed)
    scales = tuple(float(s) for s in rng.uniform(0.002, 0.02, shape[0]))
    return Tensor(name, shape, QParams(scales), rng.integers(-127, 128, shape).astype(np.int8))


def bias(name: str, x: Tensor, w: Tensor, seed: int) -> Tensor:
    """int32 bias (N,) in units of x.scale · w.scale."""
    rng = np.random.default_rng(seed + 1000)
    scales = tuple(x.scale * s for s in w.q.scale)
    return Tensor(
        name,
        (w.shape[0],),
        QParams(scales, 0, Dtype.INT32),
        rng.integers(-4000, 4000, w.shape[0]).astype(np.int32),
    )


def widened(case: Case, x: Dtype, y: Dtype) -> Case:
    """The case with inputs and outputs of these types, int8 or int16, over the same real ranges."""
    call = case.call
    finer = 256 if x is Dtype.INT16 else 1
    inputs = tuple(
        _typed(t, x) if t.data is None else _finer(t, finer) if t.dtype is Dtype.INT32 else t
        for t in call.inputs
    )
    label = f"{case.label}_{x}" + (f"_to_{y}" if y is not x else "")
    return Case(label, Call(call.attrs, inputs, tuple(_typed(t, y) for t in call.outputs)))


def among_int8(case: Case, *wide: str) -> Case:
    """The int8 case with these of its activations of int16, over the same real ranges."""

    def typed(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
        return tuple(_typed(t, Dtype.INT16) if t.name in wide else t for t in tensors)

    call = case.call
    named = f"{case.label}_{'_'.join(wide)}_int16"
    return Case(named, Call(call.attrs, typed(call.inputs), typed(call.outputs)))


def mixtures(cases: Iterable[Case], labels: Sequence[str]) -> Iterator[Case]:
    """Of these int8 cases: reading and writing int16, and going from one to the other."""
    chosen = {case.label: case for case in cases}
    for label in labels:
        yield widened(chosen[label], Dtype.INT16, Dtype.INT16)
    for label in labels[::2]:
        yield widened(chosen[label], Dtype.INT16, Dtype.INT8)
        yield widened(chosen[label], Dtype.INT8, Dtype.INT16)


def _typed(t: Tensor, dtype: Dtype) -> Tensor:
    """An int8 activation as one of this type."""
    q = QParams((t.scale / 256,), 0, dtype) if dtype is Dtype.INT16 else t.q
    return replace(t, qparams=q)


def _finer(bias: Tensor, steps: int) -> Tensor:
    """The same real biases in steps so much smaller."""
    q = QParams(tuple(s / steps for s in bias.q.scale), 0, Dtype.INT32)
    return replace(bias, qparams=q, data=bias.values * np.int32(steps))


def output_scale(x: Tensor, w: Tensor) -> float:
    """A scale that random inputs of a weighted layer fill, with some saturation at both ends."""
    terms = w.size // w.shape[0]
    return float(x.scale * np.mean(w.q.scale) * 45 * np.sqrt(terms))


def repeated() -> list[tuple[str, Shape, Shape]]:
    """Label, shape of an activation, and of a smaller one that is repeated over it, in every way."""
    return [
        *((f"{n}_channels_in_{w}", (1, 3, w, n), (1, 1, 1, n)) for n, w in [(2, 3), (5, 5), (6, 7), (8, 2)]),
        ("11_channels", (1, 3, 5, 11), (1, 1, 1, 11)),
        *((f"pixels_of_{n}", (1, 3, 5, n), (1, 3, 5, 1)) for n in (2, 3, 6, 8, 12, 19)),
        ("rows_of_15", (1, 4, 5, 3), (1, 4, 1, 1)),
        ("columns_of_4", (1, 3, 6, 4), (1, 1, 6, 1)),
        ("columns_of_9", (1, 3, 2, 9), (1, 1, 2, 1)),
        *((f"rows_and_{n}_channels", (1, 3, 5, n), (1, 3, 1, n)) for n in (3, 4, 7, 16)),
        ("rows_of_leading_planes", (2, 3, 2, 5), (2, 1, 2, 1)),
        ("one_value_over_37", (1, 37), (1, 1)),
        ("300_rows_of_3", (1, 300, 3), (1, 1, 3)),
    ]
