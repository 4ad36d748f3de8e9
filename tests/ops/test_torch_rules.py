"""Does every rule mean what it means in PyTorch? Called alike, they must agree."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from called import imported, resolved, split
from every import every
from torch_calls import CALLS, REFUSED, Call, Values, X, Y

from firmnet.frontends.common.builder import Builder, Unsupported
from firmnet.frontends.torch.rules import RULES
from firmnet.interpret import run_float
from firmnet.ir import Shape
from firmnet.ops import OPS


def call_id(call: Call) -> str:
    options = [str(a) for a in call[2] if not isinstance(a, Values) and a not in (X, Y) and X not in str(a)]
    return "-".join([call[0], *(re.sub(r"[^\w.]+", "_", option).strip("_") for option in options)])


@every("call", CALLS, kind=lambda call: call[0], said=call_id)
def test_means_what_pytorch_means(call: Call) -> None:
    name, shape, arguments = call
    builder, x, made = imported(name, shape, *arguments)
    several = isinstance(made, list)
    vanishing = OPS["reshape"].attrs(shape)
    results = [builder.add("reshape", vanishing, x) if x is y else y for y in (made if several else [made])]
    data = np.random.default_rng(1).normal(size=shape)
    if any(OPS[node.op].numbers(node.attrs) for node in builder.nodes):
        data = np.arange(data.size).reshape(shape)
    tensor = torch.from_numpy(data)
    operator, overload = name.split(".")
    known = {X: tensor, Y: torch.relu(tensor)}
    function = getattr(getattr(torch.ops.aten, operator), overload)
    positional, named = split(arguments)
    expected = function(*[resolved(a, known, torch.Tensor) for a in positional], **named)
    expected = list(expected) if isinstance(expected, tuple | list) else [expected]
    assert not several or len(results) == len(expected)
    for y, wanted in zip(results, expected, strict=False):
        got = run_float(builder.graph(x, y), data)
        assert got.shape == tuple(wanted.shape)
        np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-9, atol=1e-9)


def test_every_rule_is_called() -> None:
    assert {f"aten.{name}" for name, _, _ in CALLS} == set(RULES)


def test_data_movement_of_constants_gives_constants() -> None:
    builder, w = Builder("net"), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(RULES["aten.t.default"](builder, w), w.T)
    np.testing.assert_array_equal(RULES["aten.transpose.int"](builder, w, 0, 1), w.T)
    np.testing.assert_array_equal(RULES["aten.view.default"](builder, w, [2, -1]), w.reshape(2, 6))
    assert not builder.nodes


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "sentence"),
    [pytest.param(*call, id=f"{call_id(call[:3])}-refused") for call in REFUSED],
)
def test_what_is_not_supported_is_said(
    name: str, shape: Shape, arguments: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(Unsupported, match=sentence):
        imported(name, shape, *arguments)
