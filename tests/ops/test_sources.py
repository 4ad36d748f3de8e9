"""Does every operator an op says it serves mean what it means in PyTorch? Called alike, they must agree."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from firmnet.interpret import run_float
from firmnet.ir import Array, Shape, Tensor
from firmnet.ops import OPS
from firmnet.ops.builder import Builder, Unsupported

SOURCES = {name: source for op in OPS.values() for name, source in op.sources.items()}
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
    ("matmul.default", (1, 3, 8), (X, Values((8, 5)))),
    ("mm.default", (1, 8), (X, Values((8, 5)))),
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
    ("relu.default", (1, 9), (X,)),
    ("relu6.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X,)),
    ("hardtanh.default", (1, 9), (X, -0.5, 0.25)),
    ("clamp.default", (1, 9), (X, None, 0.5)),
    ("clamp.default", (1, 9), (X, -0.25)),
    ("clamp_min.default", (1, 9), (X, 0.1)),
    ("clamp_max.default", (1, 9), (X, 0.1)),
    ("add.Tensor", (1, 3, 5), (X, Y)),
    ("mul.Tensor", (1, 3, 5), (X, Y)),
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
]


def call_id(call: tuple[str, Shape, tuple[Any, ...]]) -> str:
    options = [str(a) for a in call[2] if not isinstance(a, Values) and a not in (X, Y) and X not in str(a)]
    return "-".join([call[0], *(re.sub(r"[^\w.]+", "_", option).strip("_") for option in options)])


def imported(name: str, shape: Shape, *arguments: Any) -> tuple[Builder, Tensor, Tensor]:
    """(builder, input, output) after calling the import function the way a frontend does."""
    builder = Builder("net")
    x = builder.input("x", shape)
    known = {X: x, Y: SOURCES["aten.relu.default"](builder, x) if Y in str(arguments) else x}
    builder.layer = "layer"
    return builder, x, SOURCES[f"aten.{name}"](builder, *[resolved(a, known, np.ndarray) for a in arguments])


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


def test_every_source_is_called() -> None:
    assert {f"aten.{name}" for name, _, _ in CALLS} == set(SOURCES)


def test_data_movement_of_constants_gives_constants() -> None:
    builder, w = Builder("net"), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(SOURCES["aten.t.default"](builder, w), w.T)
    np.testing.assert_array_equal(SOURCES["aten.transpose.int"](builder, w, 0, 1), w.T)
    np.testing.assert_array_equal(SOURCES["aten.view.default"](builder, w, [2, -1]), w.reshape(2, 6))
    assert not builder.nodes


REFUSED: list[tuple[str, Shape, tuple[Any, ...], str]] = [
    ("conv2d.default", (4, 9, 8), (X, W333), r"\(1, channels, height, width\).*batch 1"),
    ("conv2d.default", (2, 4, 9, 8), (X, W333), "batch 1"),
    ("conv2d.default", (1, 4, 2, 2), (X, W333), "does not fit"),
    ("convolution.default", IMAGE, (X, W333, None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1), "transposed"),
    (
        "convolution.default",
        (1, 4, 9),
        (X, Values((6, 4, 3)), None, [1], [0], [1], False, [0], 1),
        "nn.Conv2d",
    ),
    ("max_pool2d.default", (4, 9, 8), (X, [2, 2]), "batch 1"),
    ("max_pool2d.default", (1, 4, 1, 8), (X, [2, 1], [1, 1], [2, 0], [3, 1]), "reads only padding"),
    ("mean.dim", IMAGE, (X, [1]), "only over height and width"),
    ("add.Tensor", IMAGE, (X, 1.0), "adding a constant"),
    ("add.Tensor", IMAGE, (X, X, 2), "alpha=2"),
    ("mul.Tensor", IMAGE, (X, 2.0), "multiplying by a constant"),
    ("mul.Tensor", IMAGE, (Values(IMAGE), X), "multiplying by a constant"),
    ("cat.default", (1, 3), ([X, Values((1, 3))], 1), "concatenating a constant"),
    ("addmm.default", (1, 8), (X, X, X), "constant weight"),
    ("matmul.default", (1, 8), (X, X), "constant matrix"),
    ("pad.default", IMAGE, (X, [1, 1], "reflect"), "only zero padding"),
    ("pad.default", IMAGE, (X, [1, 1], "constant", 2.0), "only zero padding"),
    ("pad.default", IMAGE, (X, [-1, 0]), "crop"),
    ("clamp.default", IMAGE, (X, 2.0, 1.0), "swap"),
    ("dropout.default", (1, 3), (X, 0.5, True), r"model\.eval\(\)"),
    ("batch_norm.default", IMAGE, (X, *NORM, True, 0.1, 1e-3, False), r"model\.eval\(\)"),
    ("batch_norm.default", IMAGE, (X, None, None, None, None, False, 0.1, 1e-3, False), "running statistics"),
    ("to.dtype", (1, 3), (X, torch.int32), "torch.int32"),
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
