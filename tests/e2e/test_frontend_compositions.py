"""Does what firmnet takes apart mean what PyTorch computes? Many operators in one network, exported once."""

from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.frontends.torch import looked_up
from firmnet.interpret import quantize_sample, run_float, run_int
from firmnet.passes import optimize
from firmnet.quantize import quantize

SEED = torch.Generator().manual_seed(1)
POINTS = torch.randn(3, 6, generator=SEED)
PAIRS = torch.randn(4, 6, 5, generator=SEED)
TRUTHS = torch.tensor([True, False, True, True, False, True])

TRUTH: Sequence[Callable[[Tensor], Any]] = (
    lambda x: (x > 0).any(1).float() + (x > 9).any().float(),
    lambda x: (x > -9).all(1, keepdim=True).float() + (x > 0).all().float() + x.any(1).float(),
    lambda x: torch.logical_xor(x > 0, x < 1).float() + ((x > 0) ^ (x > 1)).float(),
    lambda x: torch.count_nonzero(F.relu(x), 1).float(),
    lambda x: x.signbit().float() + torch.heaviside(x, torch.tensor(0.5)) + torch.isnan(x).float(),
    lambda x: torch.cat(torch.aminmax(x, dim=1, keepdim=True), 1),
    lambda x: torch.zeros_like(x).scatter(1, x.topk(2, 1)[1], x.topk(2, 1)[0]),
    lambda x: x.scatter(1, x.argsort(1)[:, :3], -1.5) + x.scatter(1, x.topk(2, 1)[1], x[:, :2]),
    lambda x: F.one_hot(x.argmax(1), 6).float() + torch.zeros_like(x).scatter(1, x.argmin(1, True), 2.0),
)
DISTANCE: Sequence[Callable[[Tensor], Any]] = (
    lambda x: torch.cdist(x, POINTS) + torch.cdist(x, POINTS, p=1),
    lambda x: F.pdist(torch.cat([x, POINTS])),
    lambda x: torch.dist(x, POINTS[:1]) + torch.linalg.matrix_norm(x[:, None])[0],
    lambda x: (
        x.norm(p=3, dim=1) + x.norm(p=torch.inf, dim=1) + x.norm(p=-torch.inf, dim=1) + x.norm(p=0, dim=1)
    ),
    lambda x: x.diff(prepend=x[:, :1]) + torch.hypot(x, x + 1) + torch.logaddexp(x, 2 - x),
    lambda x: x.diff(n=2, dim=1) + torch.trapezoid(x, dim=1)[:, None],
    lambda x: torch.gradient(x, dim=1)[0] + torch.cumulative_trapezoid(x, dim=1).sum(1, keepdim=True),
    lambda x: (
        torch.linalg.cross(x.view(1, 2, 3), POINTS.view(1, 6, 3)[:, :2])
        + torch.cross(x.view(3, 2), POINTS[:, :2], dim=0).view(1, 2, 3)
    ),
    lambda x: F.bilinear(x, x[:, :5], PAIRS, POINTS.flatten()[:4]) + torch.ones(6, 5).mul(x.mT).trace(),
    lambda x: torch.einsum("bgi,gio->bgo", x.view(1, 2, 3), PAIRS[:2, :3]),
    lambda x: F.conv2d(x.view(1, 2, 1, 3), x.view(2, 1, 1, 3), x[0, :2], padding="same", groups=2),
    lambda x: torch.atan2(x[:, :3], x[:, 3:]),
    lambda x: torch.kron(x, torch.ones(1, 2)) + torch.block_diag(x, x).sum(0),
)
LOSS: Sequence[Callable[[Tensor], Any]] = (
    lambda x: F.smooth_l1_loss(x, POINTS[:1]) + F.smooth_l1_loss(x, POINTS[:1], beta=0),
    lambda x: F.huber_loss(x, POINTS[:1], reduction="none", delta=0.5),
    lambda x: F.binary_cross_entropy_with_logits(x, POINTS[:1].sigmoid(), pos_weight=POINTS[1].abs()),
    lambda x: F.binary_cross_entropy(x.sigmoid(), POINTS[:1].sigmoid(), POINTS[1:2].abs(), reduction="sum"),
    lambda x: F.kl_div(x.log_softmax(1), POINTS[:1].softmax(1), reduction="none"),
    lambda x: torch.logit(x.sigmoid(), 1e-3) + torch.xlogy(F.relu(x), F.relu(x)) + torch.deg2rad(x),
    lambda x: x.fmod(0.7) + x // 0.7 + x.div(0.7, rounding_mode="trunc") + x.int().float(),
)


class Several(nn.Module):
    """What each function makes of the input."""

    def __init__(self, functions: Sequence[Callable[[Tensor], Any]]) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, x: Tensor) -> Any:
        return tuple(function(x) for function in self.functions)


def written(x: Tensor) -> Any:
    """Assignments of every kind, to the input's copy and to constants."""
    y, spaced, image = x * 1, torch.zeros(1, 12), x.new_zeros(1, 1, 4, 12)
    y[:, 0] = 0.5
    y[:, 2:4] = x[:, :2] * 2
    y[:, [1, 3]] += 1
    y[:, TRUTHS] = 0.25
    y[y < 0] = 0
    y[:, torch.tensor([4, 5])] = x[:, torch.tensor([5, 4])]
    spaced[:, ::2] = x
    spaced[:, 1::4] = -x[:, :3]
    image[:, :, ::2, ::2] = x
    rows = torch.empty(1, 2, 6)
    rows[:, 0], rows[:, 1] = x, y
    square = torch.outer(x[0], x[0])
    torch.diagonal(square).fill_(1.0)
    return y, spaced, image, rows, square.tril() + square.triu(1).mT


@pytest.mark.parametrize(
    "module",
    [Several(TRUTH), Several(DISTANCE), Several(LOSS), Several([written])],
    ids=["truths", "distances", "losses", "writing"],
)
def test_what_is_taken_apart_means_the_same(module: Several) -> None:
    x = torch.randn(1, 6, generator=torch.Generator().manual_seed(2))
    graph = load(module, example=x).graph
    with torch.no_grad():
        wanted = list(flat(module(x)))
    computed = run_float(graph, x.numpy())
    for y, each in zip(computed, wanted, strict=True):
        np.testing.assert_allclose(y, each.numpy(), rtol=1e-5, atol=1e-5)


def flat(results: Any) -> Any:
    for result in results:
        yield from flat(result) if isinstance(result, tuple) else [result]


def test_a_row_for_the_largest_is_exact_in_integers() -> None:
    module = Several([lambda x: F.one_hot(x.argmax(1, keepdim=True).squeeze(1), 6).float() * 2])
    x = torch.randn(16, 6, generator=SEED)
    graph = quantize(optimize(load(module, example=x[:1]).graph), x.numpy()).graph
    for sample in x:
        stored = quantize_sample(graph, sample[None].numpy())
        q = graph.tensors[graph.outputs[0].tensor].q
        made = q.to_real(run_int(graph, stored))
        np.testing.assert_allclose(made, 2 * np.eye(6)[stored.argmax(1)], atol=0.01)


@pytest.mark.parametrize(
    "masked",
    [
        lambda x: x.masked_fill(TRUTHS, -torch.inf),
        lambda x: torch.where(TRUTHS, torch.tensor(-9e15), x).view(2, 3),
        lambda x: x + torch.where(TRUTHS, -torch.inf, 0.5),
        lambda x: x.masked_fill(x > 0.5, -1e9),
    ],
    ids=["filled", "chosen", "added", "computed"],
)
def test_what_a_softmax_never_sees_costs_the_others_no_steps(masked: Callable[[Tensor], Tensor]) -> None:
    x = 2 * torch.randn(16, 6, generator=torch.Generator().manual_seed(3))
    module = Several([lambda x: masked(x).softmax(-1)])
    graph = quantize(optimize(load(module, example=x[:1]).graph), x.numpy()).graph
    q = graph.tensors[graph.outputs[0].tensor].q
    for sample in x:
        made = q.to_real(run_int(graph, quantize_sample(graph, sample[None].numpy())))
        (wanted,) = module(sample[None])
        np.testing.assert_allclose(made, wanted.numpy().reshape(made.shape), atol=0.06)


def test_reductions_of_one_number_are_that_number() -> None:
    module = Several(
        [lambda x: x.sum().mean() + 0.5, lambda x: x.mean().amax(0) * 2, lambda x: (x.sum() + 9).norm() - 1]
    )
    x = torch.randn(1, 6, generator=SEED)
    with torch.no_grad():
        expected = module(x)
    computed = run_float(load(module, example=x).graph, x.numpy())
    np.testing.assert_allclose(np.stack(computed), torch.stack(expected).numpy(), rtol=1e-5)


def test_a_layer_that_torch_export_cannot_follow_is_named_with_one_that_it_can() -> None:
    with pytest.raises(UserError, match=r"cannot follow '0', a CrossMapLRN2d: use nn\.LocalResponseNorm"):
        load(nn.Sequential(nn.CrossMapLRN2d(3)), example=torch.zeros(1, 4, 3, 3))


def replaceable() -> list[Any]:
    """What of torch is another while operators are looked up once."""
    return [getattr(held, name) for held, name in (*looked_up.FOUND_AGAIN, *looked_up.KEYS_OF_DEVICES)]


def test_torch_takes_apart_the_same_where_it_looks_up_less_and_is_put_back() -> None:
    """Every list of looked_up.py is there in this torch, or an import takes three times as long."""
    module = Several([*TRUTH, lambda x: F.scaled_dot_product_attention(x, x, x), F.softshrink]).eval()
    x = torch.randn(1, 6, generator=SEED)

    def parts() -> str:
        return str(torch.export.export(module, (x,)).run_decompositions({}).graph)

    before, apart = replaceable(), parts()
    with looked_up.looked_up_once():
        assert parts() == apart
        assert [len(keys) for keys in replaceable()[-2:]] == [2, 2] or torch.accelerator.is_available()
        assert all(now is not then for now, then in zip(replaceable(), before, strict=True))
    assert all(now is then for now, then in zip(replaceable(), before, strict=True))


def test_exports_of_two_threads_leave_torch_as_it_was() -> None:
    def other() -> None:
        with looked_up.looked_up_once():
            inside.set()

    before, inside, second = replaceable(), Event(), Thread(target=other)
    with looked_up.looked_up_once():
        second.start()
        assert not inside.wait(0.1), "it takes what the first has put there for torch's own"
    second.join()
    assert inside.is_set()
    assert all(now is then for now, then in zip(replaceable(), before, strict=True))
