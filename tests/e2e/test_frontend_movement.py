"""Do networks that take apart, move, choose and join what they compute import as what PyTorch computes?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import in_model_order, quantize_sample, run_float, run_int
from firmnet.ir import Graph, wrapped
from firmnet.passes import optimize
from firmnet.quantize import quantize

SHAPE = (1, 5, 4)


class Net(nn.Module):
    """A function of tokens (1, 5, 4) and of constants that the network has."""

    def __init__(self, function: Callable[["Net", Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.weight, self.token = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(1, 1, 4))
        self.register_buffer("places", torch.tensor([2, 0, 1]))
        self.register_buffer("mask", torch.tensor([True, False, True, True]))

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def attention(x: Tensor, stacked: bool) -> Tensor:
    q, k, v = (x.view(1, 5, 2, 2).transpose(1, 2) for _ in range(3))
    if stacked:
        q, k, v = (t.reshape(2, 5, 2) for t in (q, k, v))
    y = torch.softmax(torch.matmul(q, k.transpose(-2, -1)), -1) @ v
    return y.view(1, 2, 5, 2).transpose(1, 2).flatten(2)


def written(x: Tensor) -> Tensor:
    y = torch.zeros(1, 6, 4)
    y[:, 1:] = x
    y[:, 3] = 0.5
    return y


NETWORKS: dict[str, tuple[Callable[[Net, Tensor], Any], set[str]]] = {
    "one_token": (lambda n, x: x[:, 1], {"slice"}),
    "last_token": (lambda n, x: x[:, -1], {"slice"}),
    "every_second": (lambda n, x: x[:, 1:4:2], {"slice"}),
    "halves_exchanged": (lambda n, x: torch.cat(x.chunk(2, 2)[::-1], 2), {"pick"}),
    "parts_of_sizes": (lambda n, x: torch.cat(x.split([1, 3], 2)[::-1], 2), {"pick"}),
    "unbound_and_stacked": (lambda n, x: torch.stack(x.unbind(1), 2), {"transpose"}),
    "some_parts_unused": (lambda n, x: x.unbind(1)[3], {"slice"}),
    "reversed": (lambda n, x: x.flip(1), {"slice"}),
    "rolled": (lambda n, x: x.roll((1, -2), (1, 2)), {"pick"}),
    "rolled_flat": (lambda n, x: torch.roll(x, 3), {"pick"}),
    "listed": (lambda n, x: x[:, [3, 1, 2]], {"pick"}),
    "listed_by_a_buffer": (lambda n, x: x.index_select(1, n.places), {"pick"}),
    "listed_pairs": (lambda n, x: x[:, [0, 1], [2, 3]], {"pick"}),
    "masked_as_indices": (lambda n, x: x[:, :, n.mask].mean(2) + x[..., ~n.mask][..., 0], {"pick", "add"}),
    "masked_pairs": (lambda n, x: x[:, torch.ones(5, 4).triu(1).bool()].view(1, -1, 2), {"pick"}),
    "masked_selected": (lambda n, x: torch.masked_select(x, n.mask), {"pick"}),
    "gathered": (lambda n, x: x.gather(1, torch.tensor([[[0, 1, 2, 0]]])), {"pick"}),
    "repeated": (lambda n, x: x[:, :1].expand(1, 3, 4), {"slice"}),
    "tiled": (lambda n, x: x.tile(2, 1), {"slice"}),
    "interleaved": (lambda n, x: x.repeat_interleave(3, 1), {"slice"}),
    "class_token": (lambda n, x: torch.cat([n.token.expand(1, -1, -1), x], 1), {"concat"}),
    "written_into": (lambda n, x: written(x), {"slice", "concat"}),
    "masked": (lambda n, x: x.masked_fill(n.mask, -1.5), {"conv2d"}),
    "masked_by_itself": (lambda n, x: torch.where(x > 0.1, x, -x), {"compare", "mul", "add"}),
    "einsum_linear": (lambda n, x: torch.einsum("btd,od->bto", x, n.weight), {"linear"}),
    "einsum_scores": (lambda n, x: torch.einsum("bid,bjd->bij", x, x), {"matmul"}),
    "tensordot": (lambda n, x: torch.tensordot(x, n.weight, ([2], [1])), {"linear"}),
    "scores": (lambda n, x: x @ x.mT, {"matmul"}),
    "outer": (lambda n, x: torch.outer(x[0, 0], x[0, 1])[None], {"slice", "matmul"}),
    "baddbmm": (lambda n, x: torch.baddbmm(x[:, :, :1], x, x.mT), {"slice", "matmul", "add"}),
    "attention": (lambda n, x: attention(x, False), {"attention"}),
    "attention_of_a_stack": (lambda n, x: attention(x, True), {"attention"}),
    "place_of_the_largest": (lambda n, x: (x @ n.weight.T).argmax(-1), {"linear", "argmax"}),
    "largest_and_place": (lambda n, x: x.max(1), {"max_pool2d", "argmax"}),
    "topk": (lambda n, x: x.topk(2, 1), {"sort", "argsort"}),
    "argsort": (lambda n, x: x.argsort(2, descending=True), {"argsort"}),
    "gathered_where_largest": (lambda n, x: x.gather(1, x.argmax(1, keepdim=True)), {"argmax", "mul"}),
    "expected_place": (lambda n, x: (x.softmax(-1) * torch.arange(4)).sum(-1), {"softmax", "linear"}),
    "weighed_lines": (lambda n, x: (x * torch.arange(5)[:, None]).sum(1, keepdim=True), {"linear"}),
    "gathered_where_counted": (
        lambda n, x: x.gather(-1, (x > 0.1).sum(-1, keepdim=True).clamp(max=3)),
        {"compare", "mul"},
    ),
    "gathered_by_topk": (lambda n, x: x.gather(-1, x.topk(3)[1]), {"argsort", "mul"}),
    "first_of_topk": (lambda n, x: x.topk(1), {"max_pool2d", "argmax"}),
    "above": (lambda n, x: x > 0.5, {"compare"}),
    "inside": (lambda n, x: ((x > -0.5) & (x < 1)).float(), {"compare", "add"}),
    "step": (lambda n, x: torch.where(x > 0, 1.0, -1.0), {"compare"}),
}


MOVES = {"slice", "pick", "concat", "reshape", "transpose"}
"""Ops that change no value."""


def imported(network: Net) -> Graph:
    return optimize(load(network.eval(), name="net", example=torch.zeros(SHAPE)).graph)


@pytest.mark.parametrize("name", NETWORKS)
def test_imports_and_computes_the_same(name: str) -> None:
    function, ops = NETWORKS[name]
    network = Net(function)
    graph = imported(network)
    assert ops <= {node.op for node in graph.nodes}
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        returned = network(x)
    expected = tuple(returned) if isinstance(returned, tuple) else (returned,)
    for y, wanted in zip(wrapped(run_float(graph, x.numpy()), len(expected)), expected, strict=True):
        np.testing.assert_allclose(y, wanted.double().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, (_, ops) in NETWORKS.items() if ops <= MOVES])
def test_what_only_moves_values_loses_nothing(name: str) -> None:
    """In integers it gives the levels of its input, and of its constants those next to them."""
    network = Net(NETWORKS[name][0])
    graph = imported(network)
    assert {node.op for node in graph.nodes} <= MOVES
    samples = np.random.default_rng(0).normal(size=(16, *SHAPE[1:])).astype(np.float32)
    integer = quantize(graph, samples).graph
    port, out = integer.inputs[0], integer.outputs[0]
    stored = quantize_sample(integer, samples[:1])
    levels = in_model_order(port, integer.tensors[port.tensor].q.to_real(stored))
    with torch.no_grad():
        wanted = network.double()(torch.from_numpy(levels)).numpy()
    q = integer.tensors[out.tensor].q
    made = in_model_order(out, q.to_real(run_int(integer, stored)))
    assert np.abs(made - wanted).max() <= q.scale[0] / 2 * (1 + 1e-9)


def test_attention_moves_nothing() -> None:
    for stacked in (False, True):
        graph = imported(Net(lambda n, x, stacked=stacked: attention(x, stacked)))
        assert "transpose" not in {node.op for node in graph.nodes}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda n, x: x.index_select(1, x[0, :, 0].argsort()), "'index' is computed by the network"),
        (lambda n, x: x[:, :, x[0, 0] > 0], "a size that depends on the data"),
        (lambda n, x: x.masked_fill(n.mask, -torch.inf), "puts infinity"),
        (lambda n, x: x.median(1)[1], "the indices that it gives beside its values"),
        (lambda n, x: F.embedding(x.long(), n.weight), "rows named by real numbers"),
    ],
    ids=["index_computed", "mask_as_index", "infinite", "median_place", "rows_named_by_reals"],
)
def test_what_cannot_be_chosen_is_refused(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(Net(function), example=torch.zeros(SHAPE))


def test_places_are_reckoned_with_as_the_numbers_that_they_are() -> None:
    """int32 on the board, rescaled to what an addition and a comparison read."""
    network = Net(lambda n, x: (x + x.argmax(1, keepdim=True), (x.argmax(1) == 2).float()))
    samples = np.random.default_rng(0).normal(size=(24, *SHAPE[1:])).astype(np.float32)
    made = quantize(imported(network), samples)
    for x in samples:
        q = quantize_sample(made.graph, x)
        outputs = zip(made.graph.outputs, wrapped(run_int(made.graph, q), 2), strict=True)
        added, equal = (made.graph.tensors[port.tensor].q.to_real(y) for port, y in outputs)
        real = made.graph.tensors[made.graph.input].q.to_real(q)
        np.testing.assert_array_equal(equal, real.argmax(1) == 2)
        np.testing.assert_allclose(added, real + real.argmax(1)[:, np.newaxis], atol=0.06)
