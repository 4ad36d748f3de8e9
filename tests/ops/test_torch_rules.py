"""Does every rule mean what it means in PyTorch? Called alike, they must agree."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from firmnet.frontends.common.arguments import call
from firmnet.frontends.common.builder import Builder, Unsupported
from firmnet.frontends.torch.rules import RULES
from firmnet.interpret import run_float
from firmnet.ir import Array, Shape, Tensor
from firmnet.ops import OPS

IMAGE = (1, 4, 9, 8)


@dataclass(frozen=True)
class Values:
    """A seeded constant argument."""

    shape: Shape
    positive: bool = False

    @property
    def array(self) -> Array:
        rng = np.random.default_rng(sum(self.shape))
        values = rng.normal(size=self.shape)
        return np.abs(values) + 0.1 if self.positive else values


X = "the input"
Y = "another activation: relu(X)"


W333 = Values((6, 4, 3, 3))
NORM = (Values((4,)), None, Values((4,)), Values((4,), positive=True))
CALLS: list[tuple[str, Shape, tuple[Any, ...]]] = [
    ("linear.default", (1, 3, 8), (X, Values((5, 8)), Values((5,)))),
    ("linear.default", (1, 8), (X, Values((5, 8)))),
    ("addmm.default", (1, 8), (Values((5,)), X, Values((8, 5)))),
    ("addmm.default", (1, 8), (Values((1, 5)), X, Values((8, 5)))),
    ("addmm.default", (3, 8), (Values((3, 1)), X, Values((8, 5)))),
    ("addmm.default", (1, 8), (Values((1,)), X, Values((8, 5)))),
    ("addmm.default", (8, 3), (Values((3,)), Values((5, 8)), X)),
    ("linear.default", (1, 3, 8), (X, Values((8,)))),
    ("linear.default", (8,), (X, Values((5, 8)))),
    ("matmul.default", (1, 3, 8), (X, Values((8, 5)))),
    ("matmul.default", (1, 3, 8), (X, Values((8,)))),
    ("matmul.default", (1, 3, 8), (X, Values((1, 1, 8, 5)))),
    ("matmul.default", (1, 3, 8), (Values((5, 3)), X)),
    ("matmul.default", (1, 3, 8), (Values((1, 1, 5, 3)), X)),
    ("matmul.default", (1, 3, 8), (Values((3,)), X)),
    ("matmul.default", (8,), (Values((5, 8)), X)),
    ("matmul.default", (8,), (X, Values((8, 5)))),
    ("mm.default", (1, 8), (X, Values((8, 5)))),
    ("mv.default", (3, 8), (X, Values((8,)))),
    ("bmm.default", (1, 3, 8), (X, Values((1, 8, 5)))),
    ("bmm.default", (1, 3, 8), (Values((1, 5, 3)), X)),
    ("baddbmm.default", (1, 3, 8), (Values((1, 1, 5)), X, Values((1, 8, 5)))),
    ("baddbmm.default", (1, 3, 8), (Values((1, 5, 1)), Values((1, 5, 3)), X)),
    ("conv1d.default", (1, 4, 9), (X, Values((6, 2, 3)), Values((6,)), [2], [1], [2], 2)),
    ("conv1d.padding", (1, 4, 9), (X, Values((6, 4, 4)), None, [1], "same")),
    (
        "convolution.default",
        (1, 4, 9),
        (X, Values((6, 4, 3)), None, [1], [1], [1], False, [0], 1),
    ),
    ("conv2d.default", IMAGE, (X, W333)),
    ("conv2d.default", IMAGE, (X, W333, Values((6,)), [2, 1], [1, 2], [2, 1])),
    ("conv2d.default", IMAGE, (X, Values((6, 2, 3, 3)), None, [1, 1], [0, 0], [1, 1], 2)),
    ("conv2d.padding", IMAGE, (X, Values((6, 4, 4, 3)), None, [1, 1], "same", [1, 2])),
    ("conv2d.padding", IMAGE, (X, W333, None, [2, 2], "valid")),
    ("convolution.default", IMAGE, (X, W333, Values((6,)), [2, 2], [1, 1], [1, 1], False, [0, 0], 1)),
    ("max_pool2d.default", IMAGE, (X, [3, 2])),
    ("max_pool2d.default", IMAGE, (X, [3, 3], [2, 2], [1, 1], [2, 1], True)),
    ("max_pool2d_with_indices.default", IMAGE, (X, [2, 2], [3, 3], [0, 1], [1, 1], True)),
    ("avg_pool2d.default", IMAGE, (X, [2, 3])),
    ("avg_pool2d.default", IMAGE, (X, [3, 3], [2, 2], [1, 1], True)),
    ("avg_pool2d.default", IMAGE, (X, [3, 3], [2, 3], [1, 1], True, False)),
    ("avg_pool2d.default", IMAGE, (X, [3, 3], [2, 2], [1, 0], False, True, 5)),
    ("adaptive_avg_pool2d.default", IMAGE, (X, [4, 5])),
    ("_adaptive_avg_pool2d.default", IMAGE, (X, [2, 8])),
    ("mean.dim", IMAGE, (X, [2, 3])),
    ("mean.dim", IMAGE, (X, [-1, -2], True)),
    ("mean.dim", IMAGE, (X, [3])),
    ("mean.dim", IMAGE, (X, [2], True)),
    ("mean.dim", IMAGE, (X, [1], True)),
    ("mean.dim", IMAGE, (X, [1, 3])),
    ("mean.dim", IMAGE, (X, None)),
    ("mean.dim", (1, 3, 5), (X, [1])),
    ("mean.dim", (3, 5), (X, [0])),
    ("mean.default", (1, 3, 5), (X,)),
    ("sum.dim_IntList", IMAGE, (X, [2, 3])),
    ("sum.dim_IntList", (1, 3, 5), (X, [-1], True)),
    ("sum.default", (1, 3, 5), (X,)),
    ("amax.default", IMAGE, (X, [2, 3])),
    ("amax.default", (1, 3, 5), (X, [1], True)),
    ("amax.default", (1, 3, 5), (X,)),
    ("max.dim", IMAGE, (X, 2)),
    ("avg_pool1d.default", (1, 4, 9), (X, [3], [2], [1], True, False)),
    ("avg_pool1d.default", (1, 4, 9), (X, [3])),
    ("adaptive_avg_pool1d.default", (1, 4, 9), (X, [4])),
    ("max_pool1d.default", (1, 4, 9), (X, [3], [2], [1], [1], True)),
    ("max_pool1d.default", (1, 4, 9), (X, [3])),
    ("max_pool1d_with_indices.default", (1, 4, 9), (X, [2])),
    ("adaptive_max_pool2d.default", IMAGE, (X, [3, 4])),
    ("adaptive_max_pool1d.default", (1, 4, 9), (X, [3])),
    ("slice.Tensor", IMAGE, (X, 2, 0, 9223372036854775807, 2)),
    ("slice.Tensor", IMAGE, (X, 3, 0, 8, 3)),
    ("slice.Tensor", IMAGE, (X, 1, 0, 4, 2)),
    ("slice.Tensor", IMAGE, (X, 1, 0, 4, 3)),
    ("slice.Tensor", IMAGE, (X, 1, 0, 1)),
    ("slice.Tensor", IMAGE, (X, 1)),
    ("select.int", (1, 4, 1, 3), (X, 2, 0)),
    ("select.int", (1, 4, 1, 3), (X, -2, -1)),
    ("select.int", IMAGE, (X, -1, 0)),
    ("select.int", (1, 5, 3), (X, 1, 0)),
    ("relu.default", (1, 9), (X,)),
    ("relu6.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X, -0.5, 0.25)),
    ("clamp.default", (1, 9), (X, None, 0.5)),
    ("clamp.default", (1, 9), (X, -0.25)),
    ("clamp_min.default", (1, 9), (X, 0.1)),
    ("clamp_max.default", (1, 9), (X, 0.1)),
    ("clamp_min.Tensor", (1, 9), (X, Values(()))),
    ("clamp_max.Tensor", (1, 9), (X, Values((1,)))),
    ("clamp.Tensor", (1, 9), (X, None, Values(()))),
    ("clip.default", (1, 9), (X, -0.5, 0.5)),
    ("clip.Tensor", (1, 9), (X, None, Values(()))),
    ("threshold.default", (1, 9), (X, 0.0, 0.0)),
    ("threshold.default", (1, 9), (X, 0.5, 0.5)),
    ("maximum.default", (1, 9), (X, Values(()))),
    ("minimum.default", (1, 9), (Values((1,)), X)),
    ("add.Tensor", (1, 3, 5), (X, Y)),
    ("add.Tensor", (1, 3, 5), (X, X)),
    ("add.Tensor", (1, 3, 5), (X, 0.25)),
    ("add.Tensor", (1, 3, 5), (X, Values((5,)))),
    ("add.Tensor", (1, 3, 5), (Values((3, 1)), X)),
    ("add.Tensor", (1, 3, 5), (X, Values((1, 3, 5)))),
    ("add.Tensor", (1, 1, 5), (X, Values((3, 5)))),
    ("add.Tensor", IMAGE, (X, Values((4, 1, 1)))),
    ("add.Tensor", IMAGE, (X, Values((4, 9, 1)))),
    ("add.Scalar", (1, 3, 5), (X, 2)),
    ("sub.Tensor", (1, 3, 5), (X, Y)),
    ("sub.Tensor", (1, 3, 5), (X, Values((5,)))),
    ("sub.Tensor", (1, 3, 5), (Values((5,)), X)),
    ("sub.Scalar", (1, 3, 5), (X, 0.5)),
    ("subtract.Tensor", (1, 3, 5), (X, Y)),
    ("rsub.Tensor", (1, 3, 5), (X, Y)),
    ("rsub.Scalar", (1, 3, 5), (X, 1)),
    ("mul.Tensor", (1, 3, 5), (X, Y)),
    ("mul.Tensor", (1, 3, 5), (X, X)),
    ("mul.Tensor", (1, 3, 5), (X, -2.0)),
    ("mul.Tensor", IMAGE, (Values((4, 1, 1)), X)),
    ("mul.Tensor", IMAGE, (X, Values(IMAGE))),
    ("mul.Scalar", (1, 3, 5), (X, 3)),
    ("multiply.Tensor", (1, 3, 5), (X, Y)),
    ("div.Tensor", (1, 3, 5), (X, 4.0)),
    ("div.Tensor", (1, 3, 5), (X, Values((5,), positive=True))),
    ("div.Scalar", (1, 3, 5), (X, 4)),
    ("divide.Tensor", (1, 3, 5), (X, 4.0)),
    ("true_divide.Tensor", (1, 3, 5), (X, 4.0)),
    ("neg.default", (1, 3, 5), (X,)),
    ("negative.default", (1, 3, 5), (X,)),
    ("square.default", (1, 3, 5), (X,)),
    ("pow.Tensor_Scalar", (1, 3, 5), (X, 2)),
    ("concat.default", (1, 3, 5), ([X, Y], 1)),
    ("concatenate.default", (1, 3, 5), ([X, Y], 2)),
    ("stack.default", (1, 3, 5), ([X, Y], 1)),
    ("stack.default", (1, 3, 5), ([X, Y, X], -1)),
    ("expand.default", (1, 3, 1), (X, [2, -1, 3, 20])),
    ("repeat.default", (1, 3, 5), (X, [2, 1, 3, 1])),
    ("cat.default", (1, 3, 5), ([X, Y, X], 1)),
    ("cat.default", (1, 3, 5), ([X, Y], -1)),
    ("softmax.int", (1, 3, 5), (X, 1)),
    ("_softmax.default", (1, 3, 5), (X, -1, False)),
    ("batch_norm.default", IMAGE, (X, *NORM, False, 0.1, 1e-3, False)),
    ("_native_batch_norm_legit_no_training.default", IMAGE, (X, *NORM, 0.1, 1e-5)),
    ("permute.default", (1, 3, 5), (X, [2, 0, -2])),
    ("transpose.int", (1, 3, 5), (X, -1, 1)),
    ("t.default", (3, 5), (X,)),
    ("numpy_T.default", (1, 3, 5), (X,)),
    ("view.default", (1, 3, 4), (X, [1, 2, -1])),
    ("reshape.default", (1, 3, 4), (X, [-1])),
    ("_unsafe_view.default", (1, 3, 4), (X, [1, 12])),
    ("flatten.using_ints", (1, 3, 4, 2), (X, 1)),
    ("flatten.using_ints", (1, 3, 4, 2), (X, -3, 2)),
    ("unflatten.int", (1, 12), (X, -1, [3, -1])),
    ("squeeze.default", (1, 3, 1, 2), (X,)),
    ("squeeze.dim", (1, 3, 1, 2), (X, -2)),
    ("squeeze.dim", (1, 3, 1, 2), (X, 1)),
    ("squeeze.dims", (1, 3, 1, 2), (X, [0, 2])),
    ("unsqueeze.default", (1, 3), (X, -1)),
    ("unsqueeze.default", (1, 3), (X, 1)),
    ("pad.default", IMAGE, (X, [1, 2, 3, 0])),
    ("pad.default", (1, 5), (X, [0, 2], "constant", 0.0)),
    ("constant_pad_nd.default", IMAGE, (X, [0, 1, 2, 3, 4, 5])),
    ("clone.default", (1, 3), (X,)),
    ("contiguous.default", (1, 3), (X,)),
    ("alias.default", (1, 3), (X,)),
    ("detach.default", (1, 3), (X,)),
    ("detach_.default", (1, 3), (X,)),
    ("lift_fresh_copy.default", (1, 3), (X,)),
    ("dropout.default", (1, 3), (X, 0.5, False)),
    ("feature_dropout.default", (1, 3), (X, 0.5, False)),
    ("alpha_dropout.default", (1, 3), (X, 0.5, False)),
    ("_to_copy.default", (1, 3), (X,)),
    ("to.dtype", (1, 3), (X, torch.float64)),
    ("type_as.default", (1, 3), (X, Values((2,)))),
]


def call_id(call: tuple[str, Shape, tuple[Any, ...]]) -> str:
    options = [str(a) for a in call[2] if not isinstance(a, Values) and a not in (X, Y) and X not in str(a)]
    return "-".join([call[0], *(re.sub(r"[^\w.]+", "_", option).strip("_") for option in options)])


def imported(name: str, shape: Shape, *arguments: Any) -> tuple[Builder, Tensor, Tensor]:
    """(builder, input, output) after calling the import function the way a frontend does."""
    builder = Builder("net")
    x = builder.input("x", shape)
    known = {X: x, Y: RULES["aten.relu.default"](builder, x) if Y in str(arguments) else x}
    builder.layer = "layer"
    source, resolved_arguments = RULES[f"aten.{name}"], [resolved(a, known, np.ndarray) for a in arguments]
    return builder, x, call(source, builder, resolved_arguments, {})


def resolved(argument: Any, known: dict[str, Any], kind: type) -> Any:
    if isinstance(argument, Values):
        return argument.array if kind is np.ndarray else torch.from_numpy(argument.array)
    if isinstance(argument, list):
        return [resolved(a, known, kind) for a in argument]
    return known.get(argument, argument) if isinstance(argument, str) else argument


@pytest.mark.parametrize("call", [pytest.param(call, id=call_id(call)) for call in CALLS])
def test_means_what_pytorch_means(call: tuple[str, Shape, tuple[Any, ...]]) -> None:
    name, shape, arguments = call
    builder, x, y = imported(name, shape, *arguments)
    if x is y:  # an operator that vanishes
        y = builder.add("reshape", OPS["reshape"].attrs(shape), x)
    data = np.random.default_rng(1).normal(size=shape)
    tensor = torch.from_numpy(data)
    operator, overload = name.split(".")
    known = {X: tensor, Y: torch.relu(tensor)}
    function = getattr(getattr(torch.ops.aten, operator), overload)
    expected = function(*[resolved(a, known, torch.Tensor) for a in arguments])
    expected = expected[0] if isinstance(expected, tuple) else expected
    got = run_float(builder.graph(x, y), data)
    assert got.shape == tuple(expected.shape)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-9, atol=1e-9)


def test_every_rule_is_called() -> None:
    assert {f"aten.{name}" for name, _, _ in CALLS} == set(RULES)


def test_data_movement_of_constants_gives_constants() -> None:
    builder, w = Builder("net"), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(RULES["aten.t.default"](builder, w), w.T)
    np.testing.assert_array_equal(RULES["aten.transpose.int"](builder, w, 0, 1), w.T)
    np.testing.assert_array_equal(RULES["aten.view.default"](builder, w, [2, -1]), w.reshape(2, 6))
    assert not builder.nodes


REFUSED: list[tuple[str, Shape, tuple[Any, ...], str]] = [
    ("conv2d.default", (4, 9, 8), (X, W333), r"\(1, channels, height, width\).*batch 1"),
    ("conv2d.default", (2, 4, 9, 8), (X, W333), "batch 1"),
    ("conv2d.default", (1, 4, 2, 2), (X, W333), "does not fit"),
    ("convolution.default", IMAGE, (X, W333, None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1), "transposed"),
    (
        "convolution.default",
        (1, 4, 9, 8, 7),
        (X, Values((6, 4, 3, 3, 3)), None, [1] * 3, [0] * 3, [1] * 3, False, [0] * 3, 1),
        "nn.Conv2d",
    ),
    ("conv1d.default", (4, 9), (X, Values((6, 4, 3))), r"\(1, channels, length\).*batch 1"),
    ("conv2d.default", IMAGE, (X, X), "'weight' is computed by the network"),
    ("linear.default", (1, 8), (X, Y, Values((1,))), "'weight' is computed by the network"),
    ("linear.default", (1, 8), (X, Values((5, 8)), Y), "'bias' is computed by the network"),
    ("linear.default", (1, 8), (Values((5, 8)), X), "'x' is a constant"),
    ("batch_norm.default", IMAGE, (X, X, *NORM[1:], False, 0.1, 1e-3), "'weight' is computed by the network"),
    ("clamp.default", (1, 9), (X, Y), "'min' is computed by the network"),
    ("clamp.Tensor", (1, 9), (X, Values((9,))), "'min' has a value per element"),
    ("maximum.default", (1, 9), (X, Y), "two activations"),
    ("minimum.default", (1, 9), (X, Values((9,))), "per element"),
    ("max_pool2d.default", IMAGE, (X, [X, 2]), "'kernel_size' is computed by the network"),
    ("avg_pool2d.default", IMAGE, (X, ["k", 2]), "'kernel_size' is .*write plain numbers"),
    ("relu.default", (1, 9), (X, 1, 2), "this way of calling it"),
    ("add.Tensor", (1, 9), (X, Y, Y), "'alpha' is computed by the network"),
    ("threshold.default", (1, 9), (X, 1.0, 0.0), "the threshold as its value"),
    ("div.Tensor", (1, 9), (X, Y), "dividing by an activation"),
    ("div.Tensor", (1, 9), (1.0, X), "dividing by an activation"),
    ("div.Tensor", (1, 9), (X, 0.0), "zero"),
    ("pow.Tensor_Scalar", (1, 9), (X, 0.5), "only squares"),
    ("mul.Tensor", (1, 9), (X, float("inf")), "NaN or infinite"),
    ("bmm.default", (3, 4, 4), (X, Values((3, 4, 4))), "several matrices"),
    ("adaptive_max_pool2d.default", IMAGE, (X, [4, 4]), "several sizes"),
    ("slice.Tensor", IMAGE, (X, 1, 1, 3), "values 1 to 3 of 4 along axis 1"),
    ("slice.Tensor", IMAGE, (X, 1, 0, 2), "the first 2 values of 4"),
    ("select.int", IMAGE, (X, 2, -1), "entry -1 of 9"),
    (
        "_native_batch_norm_legit_no_training.default",
        IMAGE,
        (X, *NORM[:3], Values((4,)), 0.1, 1e-5),
        "running variance is -.* in channel 0",
    ),
    ("max_pool2d.default", (4, 9, 8), (X, [2, 2]), "batch 1"),
    ("max_pool2d.default", (1, 4, 1, 8), (X, [2, 1], [1, 1], [2, 0], [3, 1]), "reads only padding"),
    ("cat.default", (1, 3), ([X, Values((1, 3))], 1), "one of its parts is a constant"),
    ("addmm.default", (1, 8), (X, X, X), "'bias' is computed by the network"),
    ("matmul.default", (1, 8), (X, X), "product of two activations"),
    ("pad.default", IMAGE, (X, [1, 1], "reflect"), "pads with zeros"),
    ("pad.default", IMAGE, (X, [1, 1], "constant", 2.0), "pads with zeros"),
    ("pad.default", IMAGE, (X, [-1, 0]), "crop"),
    ("clamp.default", IMAGE, (X, 2.0, 1.0), "swap"),
    ("dropout.default", (1, 3), (X, 0.5, True), "training mode"),
    ("batch_norm.default", IMAGE, (X, *NORM, True, 0.1, 1e-3, False), "the statistics of its input"),
    ("batch_norm.default", IMAGE, (X, None, None, None, None, False, 0.1, 1e-3, False), "running statistics"),
    ("to.dtype", (1, 3), (X, torch.int32), "torch.int32"),
    ("to.dtype", (1, 3), (X, torch.float16), "torch.float16"),
]


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "sentence"),
    [pytest.param(*call, id=f"{call_id(call[:3])}-refused") for call in REFUSED],
)
def test_what_is_not_supported_is_said(
    name: str, shape: Shape, arguments: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(Unsupported, match=sentence):
        imported(name, shape, *arguments)
