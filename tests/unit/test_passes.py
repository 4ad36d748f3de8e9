"""Does each pass do its work, and keep what the graph computes?"""

from collections.abc import Callable

import numpy as np
import pytest

from firmnet.frontends.common.affine import affine
from firmnet.frontends.common.builder import Builder
from firmnet.frontends.common.movement import reshaped, to_nchw, to_nhwc, transposed
from firmnet.interpret import model_shape, run_float
from firmnet.ir import Graph, Shape, Tensor
from firmnet.ops.add import AddAttrs
from firmnet.ops.batch_norm import BatchNormAttrs
from firmnet.ops.clamp import ClampAttrs
from firmnet.ops.concat import ConcatAttrs
from firmnet.ops.conv2d import Conv2dAttrs
from firmnet.ops.conv_transpose2d import ConvTranspose2dAttrs
from firmnet.ops.layer_norm import LayerNormAttrs
from firmnet.ops.linear import LinearAttrs
from firmnet.ops.matmul import MatmulAttrs
from firmnet.ops.max_pool2d import MaxPool2dAttrs
from firmnet.ops.pad import PadAttrs
from firmnet.ops.pick import FILL, PickAttrs, Run, everything
from firmnet.ops.reshape import ReshapeAttrs
from firmnet.ops.slice import SliceAttrs
from firmnet.ops.softmax import SoftmaxAttrs
from firmnet.ops.transpose import TransposeAttrs
from firmnet.passes import PIPELINE, optimize
from firmnet.passes.drop_dead import drop_dead
from firmnet.passes.fold_batch_norm import fold_batch_norm
from firmnet.passes.fold_flatten import fold_flatten
from firmnet.passes.fold_pad import fold_pad
from firmnet.passes.fold_products import fold_products
from firmnet.passes.fuse_clamp import fuse_clamp, intersect
from firmnet.passes.join_parts import join_parts
from firmnet.passes.lower_batch_norm import lower_batch_norm
from firmnet.passes.merge_sums import merge_sums
from firmnet.passes.plain_transposed import plain_transposed
from firmnet.passes.remove_identities import remove_identities
from firmnet.passes.settle_layout import reshaped_order, settle_layout
from firmnet.passes.stand_lines import stand_lines


class Sketch(Builder):
    """A builder with short forms for layers with random weights."""

    def __init__(self, *shape: int) -> None:
        super().__init__("sketch")
        self.rng = np.random.default_rng(0)
        self.x = self.input("x", shape)

    def conv(self, x: Tensor, n_out: int, kernel: int = 1, width: int = 0, **options: object) -> Tensor:
        w = self.rng.normal(size=(n_out, kernel, width or kernel, x.shape[3]))
        constants = self.constant("w", w), self.constant("b", self.rng.normal(size=n_out))
        return self.add("conv2d", Conv2dAttrs(**options), x, *constants, name="conv")

    def linear(self, x: Tensor, n_out: int) -> Tensor:
        w = self.rng.normal(size=(n_out, x.shape[-1]))
        constants = self.constant("w", w), self.constant("b", self.rng.normal(size=n_out))
        return self.add("linear", LinearAttrs(), x, *constants, name="fc")

    def norm(self, x: Tensor, axis: int) -> Tensor:
        values = self.rng.normal(size=(2, x.shape[axis]))
        constants = self.constant("scale", values[0]), self.constant("shift", values[1])
        return self.add("batch_norm", BatchNormAttrs(axis), x, *constants, name="bn")

    def relu(self, x: Tensor) -> Tensor:
        return self.add("clamp", ClampAttrs(0.0), x, name="relu")

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        return self.add("reshape", ReshapeAttrs(shape), x, name="view")

    def transpose(self, x: Tensor, *order: int) -> Tensor:
        return self.add("transpose", TransposeAttrs(order), x, name="turn")

    def sum(self, a: Tensor, b: Tensor) -> Tensor:
        return self.add("add", AddAttrs(), a, b, name="sum")

    def nchw_conv(self, x: Tensor, n_out: int, kernel: int = 1) -> Tensor:
        return to_nchw(self, self.conv(to_nhwc(self, x), n_out, kernel))

    def done(self, output: Tensor) -> Graph:
        return self.graph(self.x, output)


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def passed(run_pass: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """The pass's result, after a check that it computes the same."""
    result = run_pass(graph)
    shape = model_shape(graph.tensors[graph.input], graph.inputs[0].order)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=shape)
        np.testing.assert_allclose(run_float(result, x), run_float(graph, x), rtol=1e-9, atol=1e-9)
    return result


def test_identities_go_and_reshapes_merge() -> None:
    s = Sketch(1, 2, 6)
    y = s.transpose(s.reshape(s.reshape(s.x, 1, 12), 1, 3, 4), 0, 1, 2)
    y = s.add("concat", ConcatAttrs(1), s.add("pad", PadAttrs((0, 0, 0), (0, 0, 0)), y))
    graph = passed(remove_identities, s.done(s.linear(s.add("clamp", ClampAttrs(), y), 2)))
    assert ops(graph) == ["reshape", "linear"]


def test_a_reshape_back_to_where_it_came_from_goes() -> None:
    s = Sketch(1, 2, 6)
    graph = passed(remove_identities, s.done(s.linear(s.reshape(s.reshape(s.x, 1, 12), 1, 2, 6), 2)))
    assert ops(graph) == ["linear"]


def test_dead_layers_go() -> None:
    s = Sketch(1, 4)
    s.linear(s.relu(s.x), 3)
    graph = passed(drop_dead, s.done(s.linear(s.x, 2)))
    assert [node.name for node in graph.nodes] == ["fc_1"]
    assert set(graph.tensors) == {"x", "w_1", "b_1", "fc_1"}


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_batch_norm_folds_into_the_layer_before(kind: str) -> None:
    s = Sketch(1, 4, 5, 3)
    layer = s.conv(s.x, 2, 3) if kind == "conv" else s.linear(s.x, 2)
    graph = passed(fold_batch_norm, s.done(s.norm(s.norm(layer, 3), 3)))
    assert len(graph.nodes) == 1


def test_batch_norm_folds_into_the_linear_layer_after() -> None:
    s = Sketch(1, 4)
    assert ops(passed(fold_batch_norm, s.done(s.linear(s.norm(s.relu(s.x), 1), 2)))) == ["clamp", "linear"]


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_batch_norm_folds_into_a_convolution_after_that_pads_nothing(groups: int) -> None:
    s = Sketch(1, 5, 4, 6)
    x = s.norm(s.x, 3)
    w = s.constant("w", s.rng.normal(size=(12, 3, 2, 6 // groups)))
    y = s.add(
        "conv2d", Conv2dAttrs(groups=groups, stride=(2, 1)), x, w, s.constant("b", s.rng.normal(size=12))
    )
    assert ops(passed(fold_batch_norm, s.done(y))) == ["conv2d"]


@pytest.mark.parametrize(("axis", "padding"), [(1, 0), (1, 1), (3, 1)])
def test_factors_fold_into_a_convolution_after(axis: int, padding: int) -> None:
    """A factor for all values on any axis, one for each channel on theirs; of a shift see above."""
    s = Sketch(1, 5, 4, 3)
    n = s.x.shape[axis]
    factors = np.full(n, 1 / 255) if axis == 1 else np.arange(1.0, n + 1)
    constants = s.constant("scale", factors), s.constant("shift", np.full(n, 0.0 if padding else -0.4))
    x = s.add("batch_norm", BatchNormAttrs(axis), s.x, *constants)
    y = s.conv(x, 2, 3, padding=(padding,) * 4)
    assert ops(passed(fold_batch_norm, s.done(y))) == ["conv2d"]


def test_a_factor_folds_into_a_sum() -> None:
    s = Sketch(1, 4)
    constants = s.constant("scale", np.full(4, -0.3)), s.constant("shift", np.zeros(4))
    scaled = s.add("batch_norm", BatchNormAttrs(1), s.relu(s.x), *constants)
    graph = passed(fold_batch_norm, s.done(s.sum(s.x, scaled)))
    assert ops(graph) == ["clamp", "add"]
    assert (graph.nodes[1].attrs.a, graph.nodes[1].attrs.b) == (1.0, -0.3)


@pytest.mark.parametrize("reason", ["another axis", "a second reader", "clamped before", "padded after"])
def test_batch_norm_stays_where_folding_would_be_wrong(reason: str) -> None:
    s = Sketch(1, 4, 4, 4)
    y = s.conv(s.x, 4, 1, **({"lo": 0.0} if reason == "clamped before" else {}))
    z = s.norm(y if reason != "padded after" else s.x, 1 if reason == "another axis" else 3)
    if reason == "a second reader":
        z = s.sum(y, z)
    if reason == "padded after":
        z = s.conv(z, 2, 3, padding=(1, 1, 1, 1))
    assert "batch_norm" in ops(passed(fold_batch_norm, s.done(z)))


@pytest.mark.parametrize(
    ("shape", "axis"), [((5,), 0), ((1, 5), 1), ((1, 4, 6), 1), ((1, 3, 4, 5), 1), ((1, 3, 4, 5), 3)]
)
def test_leftover_batch_norm_becomes_a_depthwise_convolution(shape: Shape, axis: int) -> None:
    s = Sketch(*shape)
    lowered = passed(lower_batch_norm, s.done(s.norm(s.norm(s.x, axis), axis)))
    assert ops(lowered).count("conv2d") == 2
    assert "transpose" not in ops(optimize(lowered))


def test_padding_moves_into_the_convolution() -> None:
    s = Sketch(1, 4, 5, 2)
    padded = s.add("pad", PadAttrs((0, 1, 0, 0), (0, 2, 3, 0)), s.x)
    graph = passed(fold_pad, s.done(s.conv(padded, 2, 3, padding=(1, 0, 0, 1))))
    assert ops(graph) == ["conv2d"]
    assert graph.nodes[0].attrs.padding == (2, 2, 0, 4)


def test_padded_channels_stay() -> None:
    s = Sketch(1, 4, 5, 2)
    padded = s.add("pad", PadAttrs((0, 1, 0, 0), (0, 0, 0, 1)), s.x)
    assert ops(passed(fold_pad, s.done(s.conv(padded, 2, 3)))) == ["pad", "conv2d"]


@pytest.mark.parametrize(
    ("image", "kernel", "attrs", "op"),
    [
        ((4, 5), (3, 2), ConvTranspose2dAttrs(), "conv2d"),
        ((4, 5), (3, 3), ConvTranspose2dAttrs((1, 1), (4, 1, -1, 0), (2, 3), 2, lo=0.0), "conv2d"),
        ((1, 6), (1, 4), ConvTranspose2dAttrs((2, 1), (0, -1, 2, 1)), "conv2d"),
        ((1, 1), (2, 3), ConvTranspose2dAttrs((2, 3)), "conv2d"),
        ((4, 5), (3, 2), ConvTranspose2dAttrs((1, 2)), "conv_transpose2d"),
        ((4, 1), (1, 3), ConvTranspose2dAttrs((2, 2), (0, -1, 0, 1), (3, 2)), "conv_transpose2d"),
        ((4, 5), (3, 3), ConvTranspose2dAttrs((1, 1), (3, 0, 0, 0)), "conv_transpose2d"),
    ],
)
def test_a_transposed_convolution_that_spreads_nothing_becomes_one(
    image: Shape, kernel: Shape, attrs: ConvTranspose2dAttrs, op: str
) -> None:
    s = Sketch(1, *image, 4)
    w = s.constant("w", s.rng.normal(size=(6, *kernel, 4 // attrs.groups)))
    y = s.add("conv_transpose2d", attrs, s.x, w, s.constant("b", s.rng.normal(size=6)))
    assert ops(passed(plain_transposed, s.done(y))) == [op]


def test_clamps_fuse_through_layers_that_move_values() -> None:
    s = Sketch(1, 6, 6, 2)
    y = s.add("max_pool2d", MaxPool2dAttrs((2, 2), (2, 2), (1, 1, 1, 1)), s.conv(s.x, 3))
    y = s.add("clamp", ClampAttrs(-1.0, 0.5), s.relu(s.reshape(to_nchw(s, y), 1, 48)))
    graph = passed(fuse_clamp, s.done(y))
    assert ops(graph) == ["conv2d", "max_pool2d", "transpose", "reshape"]
    assert (graph.nodes[0].attrs.lo, graph.nodes[0].attrs.hi) == (0.0, 0.5)


def test_a_clamp_stays_when_its_input_is_read_elsewhere() -> None:
    s = Sketch(1, 4)
    y = s.linear(s.x, 4)
    assert ops(passed(fuse_clamp, s.done(s.sum(s.relu(y), y)))) == ["linear", "clamp", "add"]


@pytest.mark.parametrize("first", [(None, None), (0.0, None), (-2.0, 1.0), (2.0, 3.0), (None, -3.0)])
@pytest.mark.parametrize("second", [(None, None), (0.0, 6.0), (-1.0, None), (None, -1.5), (4.0, 5.0)])
def test_two_clamps_are_one(first: tuple[float | None, ...], second: tuple[float | None, ...]) -> None:
    x = np.linspace(-8, 8, 161)

    def clamp(values: np.ndarray, bounds: tuple[float | None, ...]) -> np.ndarray:
        return values if bounds == (None, None) else np.clip(values, *bounds)

    assert np.array_equal(clamp(x, intersect(first, second)), clamp(clamp(x, first), second))


def test_flatten_becomes_an_order_of_weight_columns() -> None:
    s = Sketch(1, 3, 4, 2)
    flat = s.reshape(to_nchw(s, s.x), 1, 24)
    both = s.sum(s.linear(flat, 5), s.linear(flat, 5))
    assert ops(passed(fold_flatten, s.done(both))) == ["reshape", "linear", "linear", "add"]


def test_flatten_read_by_something_else_keeps_its_order() -> None:
    s = Sketch(1, 3, 4, 2)
    flat = s.reshape(to_nchw(s, s.x), 1, 24)
    assert "transpose" in ops(passed(fold_flatten, s.done(s.sum(s.linear(flat, 24), flat))))


def test_lines_stand_between_views() -> None:
    s = Sketch(1, 1, 20, 3)
    y = s.conv(s.x, 3, 1, padding=(0, 0, 1, 1), stride=(1, 2), lo=0.0)
    y = s.add("max_pool2d", MaxPool2dAttrs((1, 2), (1, 2)), s.sum(y, s.relu(y)))
    graph = passed(stand_lines, s.done(y))
    assert ops(graph) == ["reshape", "conv2d", "clamp", "add", "max_pool2d", "reshape"]
    assert [graph.tensors[node.output].shape[1:3] for node in graph.nodes[1:5]] == [(11, 1)] * 3 + [(5, 1)]
    assert graph.tensors[graph.output].shape == (1, 1, 5, 3)


def test_images_and_single_pixels_do_not_stand() -> None:
    s = Sketch(1, 2, 5, 3)
    y = s.add("max_pool2d", MaxPool2dAttrs((2, 5), (2, 5)), s.conv(s.x, 4))
    graph = s.done(s.conv(y, 2))
    assert stand_lines(graph) == graph


def test_layout_ends_at_both_edges() -> None:
    s = Sketch(1, 3, 4, 5)
    graph = passed(settle_layout, s.done(s.relu(s.nchw_conv(s.nchw_conv(s.x, 2, 3), 6))))
    assert ops(graph) == ["conv2d", "conv2d", "clamp"]
    assert (graph.inputs[0].order, graph.outputs[0].order) == ((0, 2, 3, 1), (0, 2, 3, 1))
    assert graph.tensors[graph.input].shape == (1, 4, 5, 3)
    assert passed(settle_layout, graph).nodes == graph.nodes


def test_norms_and_bounds_pass_views_and_crops_that_keep_channels() -> None:
    s = Sketch(1, 6, 5, 3)
    crop = PickAttrs((everything(1), (Run(1, 2), Run(4, 2)), everything(5), everything(4)))
    y = s.reshape(s.add("pick", crop, s.conv(s.x, 4)), 1, 2, 2, 5, 4)
    graph = s.done(s.relu(s.norm(y, 4)))
    assert ops(passed(fuse_clamp, passed(fold_batch_norm, graph))) == ["conv2d", "pick", "reshape"]


def test_norms_and_bounds_do_not_pass_constants_in_between() -> None:
    s = Sketch(1, 6, 5, 3)
    padded = PickAttrs((everything(1), (Run(FILL, 1), Run(0, 6)), everything(5), everything(4)))
    graph = s.done(s.relu(s.norm(s.add("pick", padded, s.conv(s.x, 4)), 3)))
    assert ops(passed(fuse_clamp, passed(fold_batch_norm, graph))) == [
        "conv2d",
        "pick",
        "batch_norm",
        "clamp",
    ]


def test_layout_of_lines_ends_at_both_edges_too() -> None:
    s = Sketch(1, 6, 9)
    y = s.reshape(s.nchw_conv(s.reshape(s.x, 1, 6, 1, 9), 4), 1, 4, 9)
    graph = passed(settle_layout, s.done(s.relu(y)))
    assert "transpose" not in ops(graph)
    assert (graph.inputs[0].order, graph.outputs[0].order) == ((0, 2, 1), (0, 2, 1))


def test_layout_sinks_through_add_concat_and_softmax() -> None:
    s = Sketch(1, 3, 4, 5)
    y = s.nchw_conv(s.x, 3)
    y = s.add("concat", ConcatAttrs(1), s.sum(y, s.x), y, name="cat")
    y = s.add("softmax", SoftmaxAttrs(1), y, name="softmax")
    graph = passed(settle_layout, s.done(y))
    assert ops(graph) == ["conv2d", "add", "concat", "softmax"]
    assert [node.attrs.axis for node in graph.nodes[2:]] == [3, 3]


def test_layout_keeps_the_transpose_a_linear_layer_over_the_width_needs() -> None:
    s = Sketch(1, 3, 4, 5)
    graph = passed(settle_layout, s.done(s.linear(s.nchw_conv(s.x, 2), 7)))
    assert ops(graph) == ["conv2d", "transpose", "linear"]
    assert (graph.inputs[0].order, graph.outputs[0].order) == ((0, 2, 3, 1), ())


def test_layout_shares_a_transpose_between_readers() -> None:
    s = Sketch(1, 3, 4, 5)
    y = s.nchw_conv(s.x, 2)
    graph = passed(settle_layout, s.done(s.sum(s.linear(y, 7), s.linear(y, 7))))
    assert ops(graph).count("transpose") == 1


def test_layout_turns_moves_of_single_axes_into_views() -> None:
    s = Sketch(1, 6, 1, 1)
    graph = passed(settle_layout, s.done(s.linear(s.nchw_conv(s.x, 4), 2)))
    assert "transpose" not in ops(graph)


def test_a_model_that_only_permutes_keeps_a_layer() -> None:
    s = Sketch(1, 3, 4)
    assert ops(passed(optimize, s.done(s.transpose(s.x, 0, 2, 1)))) == ["transpose"]


@pytest.mark.parametrize(
    ("shape", "order", "new_shape", "expected"),
    [
        ((1, 6, 2, 3), (0, 3, 1, 2), (1, 6, 6), (0, 2, 1)),
        ((1, 6, 2, 3), (0, 3, 1, 2), (1, 36), None),
        ((1, 6, 1, 1), (0, 3, 1, 2), (1, 6), (0, 1)),
        ((1, 6, 2, 3), (0, 3, 1, 2), (1, 2, 3, 2, 3), (0, 3, 4, 1, 2)),
        ((1, 6, 2), (0, 2, 1), (1, 4, 3), None),
        ((1, 1), (0, 1), (1, 1, 1), (0, 1, 2)),
    ],
)
def test_reshapes_pass_through_transposes(
    shape: Shape, order: Shape, new_shape: Shape, expected: Shape | None
) -> None:
    found = reshaped_order(shape, order, new_shape)
    assert found == expected
    if found is not None:
        stored = np.arange(np.prod(shape)).reshape([shape[order.index(axis)] for axis in range(len(shape))])
        by_model = stored.transpose(order).reshape(new_shape)
        stored_shape = [new_shape[found.index(axis)] for axis in range(len(new_shape))]
        assert np.array_equal(stored.reshape(stored_shape).transpose(found), by_model)


def random_graph(seed: int) -> Graph:
    """Layers of every kind on images of one size, with branches and transposes anywhere."""
    s = Sketch(1, 4, 4, 4)
    r = np.random.default_rng(seed)
    values = [s.x]
    for _ in range(8):
        a, b = values[-1], values[r.integers(len(values))]
        steps: list[Callable[[], Tensor]] = [
            lambda a=a: s.nchw_conv(a, 4),
            lambda a=a: s.norm(a, int(r.integers(1, 4))),
            lambda a=a: s.relu(a),
            lambda a=a: s.add("clamp", ClampAttrs(-0.5, 1.5), a),
            lambda a=a: s.linear(a, 4),
            lambda a=a: s.transpose(a, 0, *(int(axis) for axis in 1 + r.permutation(3))),
            lambda a=a: s.reshape(
                s.reshape(a, *[(1, 64), (1, 16, 4), (1, 4, 16)][r.integers(3)]), 1, 4, 4, 4
            ),
            lambda a=a: s.add("softmax", SoftmaxAttrs(int(r.integers(1, 4))), a),
            lambda a=a, b=b: s.sum(a, b),
            lambda a=a: s.conv(s.add("pad", PadAttrs((0, 1, 1, 0), (0, 1, 1, 0)), a), 4, 3),
            lambda a=a, b=b: s.conv(s.add("concat", ConcatAttrs(3), a, b), 4),
        ]
        values.append(steps[r.integers(len(steps))]())
    output = values[-1] if r.random() < 0.5 else s.linear(s.reshape(values[-1], 1, 64), 3)
    return s.done(output if output is not s.x else s.relu(output))


@pytest.mark.parametrize("seed", range(60))
def test_every_pass_keeps_the_meaning_of_random_graphs(seed: int) -> None:
    graph = random_graph(seed)
    for run_pass in PIPELINE:
        graph = passed(run_pass, graph)
    assert "batch_norm" not in ops(graph)


@pytest.mark.parametrize("stacked", [False, True], ids=["heads", "stack_of_heads"])
def test_products_read_and_write_heads_where_linear_layers_leave_them(stacked: bool) -> None:
    """Attention moves nothing: (1, T, heads · n) is read as (1, heads, T, n), and written back so."""
    b = Builder("net")
    x = b.input("x", (1, 5, 12))

    def heads(tensor: Tensor, order: Shape) -> Tensor:
        turned = transposed(b, reshaped(b, tensor, (1, 5, 3, 4)), order)
        return reshaped(b, turned, turned.shape[1:]) if stacked else turned

    plain = (0, 1, 2) if stacked else (0, 1, 2, 3)
    attrs = MatmulAttrs(plain, plain, plain)
    scores = b.add("matmul", attrs, heads(x, (0, 2, 1, 3)), heads(x, (0, 2, 3, 1)))
    mixed = reshaped(b, b.add("matmul", attrs, scores, heads(x, (0, 2, 1, 3))), (1, 3, 5, 4))
    graph = b.graph(x, reshaped(b, transposed(b, mixed, (0, 2, 1, 3)), (1, 5, 12)))
    settled = passed(lambda g: remove_identities(fold_products(settle_layout(g))), graph)
    assert set(ops(settled)) == {"matmul", "reshape"}


@pytest.mark.parametrize("gain_axes", [(), (3,)])
def test_a_batch_norm_behind_a_layer_norm_is_its_gain(gain_axes: Shape) -> None:
    net = Sketch(1, 4, 5, 6)
    gain, shift = (net.constant(n, net.rng.normal(size=6 if gain_axes else 1)) for n in ("gain", "shift"))
    norm = net.add("layer_norm", LayerNormAttrs((1, 2), gain_axes), net.x, gain, shift)
    graph = net.done(net.norm(norm, 3))
    folded = fold_batch_norm(graph)
    assert ops(folded) == ["layer_norm"]
    x = net.rng.normal(size=(1, 4, 5, 6))
    np.testing.assert_allclose(run_float(folded, x), run_float(graph, x), rtol=1e-9, atol=1e-9)


def test_a_factor_behind_a_single_number_is_no_factor_of_channels() -> None:
    builder = Builder("number")
    x = builder.input("x", (1, 1))
    number = builder.add("reshape", ReshapeAttrs(()), builder.add("clamp", ClampAttrs(0.0), x))
    graph = builder.graph(x, affine(builder, builder.add("reshape", ReshapeAttrs((1,)), number), 2.0, 1.0))
    np.testing.assert_allclose(run_float(fold_batch_norm(graph), np.full((1, 1), 3.0)), [7.0])


def entry(s: Sketch, x: Tensor, axis: int, at: int) -> Tensor:
    """x with one place of an axis alone, which is still an axis."""
    start = tuple(at if i == axis else 0 for i in range(len(x.shape)))
    size = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    return s.add("slice", SliceAttrs(start, (1,) * len(x.shape), size), x)


def test_entries_of_two_tensors_by_turns_are_one_pick() -> None:
    s = Sketch(1, 5, 3)
    a, b = s.relu(s.x), s.sum(s.x, s.x)
    zipped = s.add("concat", ConcatAttrs(1), *(entry(s, x, 1, i) for i in range(5) for x in (a, b)))
    graph = passed(join_parts, s.done(zipped))
    assert ops(graph) == ["clamp", "add", "concat", "pick"]
    assert graph.tensors[graph.output].name == zipped.name


def test_a_stack_of_single_entries_is_a_transpose_and_a_pick() -> None:
    s = Sketch(1, 6, 4)
    listed = [s.reshape(entry(s, s.x, 2, i), 1, 1, 6) for i in (3, 0, 0, 2)]
    graph = passed(join_parts, s.done(s.add("concat", ConcatAttrs(1), *listed)))
    assert ops(graph) == ["transpose", "pick"]


def test_all_entries_in_their_order_are_what_they_are_of() -> None:
    s = Sketch(1, 4, 3)
    y = s.relu(s.x)
    graph = passed(
        join_parts, s.done(s.add("concat", ConcatAttrs(1), *(entry(s, y, 1, i) for i in range(4))))
    )
    assert ops(graph) == ["clamp"]


def test_entries_that_something_else_reads_stay_for_that() -> None:
    s = Sketch(1, 4, 3)
    listed = [entry(s, s.x, 1, i) for i in (2, 0, 3)]
    y = s.add("concat", ConcatAttrs(1), *listed)
    graph = join_parts(s.graph(s.x, {"joined": y, "alone": listed[1]}))
    assert sorted(ops(graph)) == ["pick", "slice"]
    x = np.arange(12.0).reshape(1, 4, 3)
    joined, alone = run_float(graph, x)
    np.testing.assert_array_equal(joined, x[:, [2, 0, 3]])
    np.testing.assert_array_equal(alone, x[:, [0]])


def test_what_is_no_list_of_entries_is_joined_as_it_was() -> None:
    """One of each tensor; something else among them; little of what would have to be joined whole."""
    s = Sketch(1, 9, 3)
    a, b = s.relu(s.x), s.sum(s.x, s.x)
    few = [entry(s, a, 1, 2), entry(s, b, 1, 0)]
    others = [*few, entry(s, a, 1, 1), s.add("clamp", ClampAttrs(0.5), entry(s, a, 1, 0))]
    little = [entry(s, x, 1, i) for i in range(2) for x in (a, b)]
    for parts in (few, others, little):
        graph = s.done(s.add("concat", ConcatAttrs(1), *parts))
        assert ops(passed(join_parts, graph)).count("concat") == 1
        assert "pick" not in ops(join_parts(graph))


ADDED: dict[str, list[tuple[int, dict[str, object]]]] = {
    "3x3 and 1x1": [(3, {"padding": (1, 1, 1, 1)}), (1, {})],
    "strided": [(1, {"stride": (2, 2)}), (3, {"padding": (1, 1, 1, 1), "stride": (2, 2)})],
    "three": [(1, {}), (5, {"padding": (2, 2, 2, 2)}), (3, {"padding": (1, 1, 1, 1)})],
    "to one side": [(2, {"padding": (1, 0, 0, 1)}), (3, {"padding": (2, 0, 1, 1)})],
    "dilated": [(3, {"padding": (2, 2, 2, 2), "dilation": (2, 2)}), (1, {})],
}


@pytest.mark.parametrize("kernels", ADDED.values(), ids=ADDED)
def test_convolutions_of_one_input_that_are_added_up_are_one(
    kernels: list[tuple[int, dict[str, object]]],
) -> None:
    s = Sketch(1, 9, 8, 4)
    total, *others = (s.conv(s.x, 8, kernel, **options) for kernel, options in kernels)
    for each in others:
        total = s.sum(total, each)
    before = s.done(s.norm(total, 3))
    passed(merge_sums, before)
    assert ops(optimize(before)) == ["conv2d"]


def test_linear_layers_of_one_input_that_are_subtracted_are_one() -> None:
    s = Sketch(1, 6)
    before = s.done(s.add("add", AddAttrs(b=-1.0), s.linear(s.x, 3), s.linear(s.x, 3), name="sum"))
    assert ops(passed(merge_sums, before)) == ["linear"]


@pytest.mark.parametrize(
    "other",
    [
        lambda s: s.conv(s.x, 8, 3, padding=(2, 2, 2, 2), dilation=(2, 2)),
        lambda s: s.conv(s.conv(s.x, 4), 8),
        lambda s: s.relu(s.conv(s.x, 8)),
        lambda s: affine(s, s.conv(s.x, 8), 1e4, 0.0),
    ],
    ids=["dilated", "another input", "clamped", "weights of another size"],
)
def test_other_convolutions_that_are_added_up_stay(other: Callable[[Sketch], Tensor]) -> None:
    s = Sketch(1, 9, 8, 4)
    before = s.done(s.sum(s.conv(s.x, 8, 5, padding=(2, 2, 2, 2)), other(s)))
    assert "add" in ops(passed(merge_sums, fold_batch_norm(before)))


def test_a_kernel_that_stands_and_one_that_lies_stay() -> None:
    """One kernel of both would have 49 weights where these have 14."""
    s = Sketch(1, 9, 8, 4)
    stands = s.conv(s.x, 8, 7, 1, padding=(3, 3, 0, 0))
    before = s.done(s.sum(stands, s.conv(s.x, 8, 1, 7, padding=(0, 0, 3, 3))))
    assert ops(passed(merge_sums, before)) == ["conv2d", "conv2d", "add"]
