"""How do PyTorch's norms and variances over axes read?"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from ....ir import Node, Tensor
from ....ops.compare import CompareAttrs
from ....ops.functions import single
from ....ops.normalize import NormalizeAttrs
from ....ops.reduce import Kind, ReduceAttrs
from ...common.arguments import Rule
from ...common.builder import Builder, Unsupported
from ...common.movement import reshaped
from ...common.repeats import before_expansion
from .pooling import from_aten_amax, from_aten_amin, from_aten_sum

ReducedAxes = int | Sequence[int] | None


def from_aten_vector_norm(
    b: Builder,
    x: Tensor,
    ord: float = 2,
    dim: ReducedAxes = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    if ord in (1, 2):
        return _reduced(b, x, dim, keepdim, "l1" if ord == 1 else "l2")
    if ord == 0:
        return from_aten_sum(b, b.add("compare", CompareAttrs("ne", 0.0), x), dim, keepdim)
    magnitudes = b.add("table", single("abs"), x)
    if abs(ord) == inf:
        return (from_aten_amax if ord > 0 else from_aten_amin)(b, magnitudes, dim or (), keepdim)
    total = from_aten_sum(b, b.add("table", single("pow", float(ord)), magnitudes), dim, keepdim)
    return b.add("table", single("pow", 1 / ord), total)


def from_aten_linalg_norm(
    b: Builder,
    x: Tensor,
    ord: float | None = None,
    dim: ReducedAxes = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Without an order, that of all values together; with one, of vectors."""
    axes = _axes(x, dim)
    if ord is not None and (len(axes) > 1):
        raise Unsupported(f"a norm of order {ord:g} of matrices: give it one axis")
    return from_aten_vector_norm(b, x, 2 if ord is None else ord, dim, keepdim)


def from_aten_var(
    b: Builder, x: Tensor, dim: ReducedAxes = None, *, correction: float | None = None, keepdim: bool = False
) -> Tensor:
    return _reduced(b, x, dim, keepdim, "var", _whole(correction))


def from_aten_std(
    b: Builder, x: Tensor, dim: ReducedAxes = None, *, correction: float | None = None, keepdim: bool = False
) -> Tensor:
    return _reduced(b, x, dim, keepdim, "std", _whole(correction))


def from_aten_var_unbiased(
    b: Builder, x: Tensor, dim: ReducedAxes, unbiased: bool = True, keepdim: bool = False
) -> Tensor:
    return _reduced(b, x, dim, keepdim, "var", int(unbiased))


def from_aten_var_of_all(b: Builder, x: Tensor, unbiased: bool = True) -> Tensor:
    return from_aten_var_unbiased(b, x, None, unbiased)


def from_aten_std_of_all(b: Builder, x: Tensor, unbiased: bool = True) -> Tensor:
    return from_aten_std_unbiased(b, x, None, unbiased)


def from_aten_std_unbiased(
    b: Builder, x: Tensor, dim: ReducedAxes, unbiased: bool = True, keepdim: bool = False
) -> Tensor:
    return _reduced(b, x, dim, keepdim, "std", int(unbiased))


def normalized(b: Builder, x: Tensor, norm: Tensor) -> Tensor | None:
    """x over its own norm: None where `norm` is something else."""
    least, source = 0.0, before_expansion(b, norm)
    node = _maker(b, source)
    if node is not None and node.op == "clamp" and node.attrs.hi is None:
        least, node = node.attrs.lo or 0.0, _maker(b, b.tensors[node.inputs[0]])
    if node is None or node.op != "reduce" or node.attrs.kind != "l2" or node.inputs[0] != x.name:
        return None
    if len(source.shape) != len(x.shape) or any(source.shape[axis] > 1 for axis in node.attrs.axes):
        return None
    return b.add("normalize", NormalizeAttrs(node.attrs.axes, max(least, 0.0)), x)


def _maker(b: Builder, x: Tensor) -> Node | None:
    return next((node for node in b.nodes if x.name in node.outputs), None)


def _whole(correction: float | None) -> int:
    """PyTorch's default is 1."""
    if correction is not None and not float(correction).is_integer():
        raise Unsupported(f"a correction of {correction}: give it a whole number")
    return 1 if correction is None else int(correction)


def _reduced(
    b: Builder, x: Tensor, dim: ReducedAxes, keepdim: bool, kind: Kind, correction: int = 0
) -> Tensor:
    if not x.shape:
        return reshaped(b, _reduced(b, reshaped(b, x, (1,)), dim, keepdim, kind, correction), ())
    axes = _axes(x, dim)
    y = b.add("reduce", ReduceAttrs(axes, kind, correction), x)
    return y if keepdim else reshaped(b, y, [n for axis, n in enumerate(x.shape) if axis not in axes])


def _axes(x: Tensor, dim: ReducedAxes) -> tuple[int, ...]:
    """None or empty: all."""
    rank = len(x.shape)
    listed = (dim,) if isinstance(dim, int) else dim
    return tuple(sorted({d % rank for d in listed or range(rank) if rank}))


RULES: Mapping[str, Rule] = {
    "aten.linalg_vector_norm.default": from_aten_vector_norm,
    "aten.linalg_norm.default": from_aten_linalg_norm,
    "aten.var.correction": from_aten_var,
    "aten.var.default": from_aten_var_of_all,
    "aten.var.dim": from_aten_var_unbiased,
    "aten.std.correction": from_aten_std,
    "aten.std.default": from_aten_std_of_all,
    "aten.std.dim": from_aten_std_unbiased,
}
