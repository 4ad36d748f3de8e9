"""Is attention, however it is written, one layer, and computes what PyTorch computes?"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import firmnet
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import Stepper, quantized_inputs, run_float
from firmnet.ir import Graph
from firmnet.passes import optimize
from firmnet.quantize import quantize

WIDTH, HEADS, LENGTH, OTHER = 16, 2, 10, 7
CAUSAL = nn.Transformer.generate_square_subsequent_mask(LENGTH)
PADDED = torch.tensor([[False] * 7 + [True] * 3])
ALIBI = (torch.arange(LENGTH) - torch.arange(LENGTH)[:, None]) * 0.3

sdpa = F.scaled_dot_product_attention


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any], *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.modules_in_it = function, nn.ModuleList(modules)

    def forward(self, *x: Tensor) -> Any:
        return self.function(*self.modules_in_it, *x)


def split(x: Tensor, heads: int = HEADS) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def by_einsum(x: Tensor) -> Tensor:
    y = x.unflatten(-1, (HEADS, -1))
    weights = (torch.einsum("bihd,bjhd->bhij", y, y) * 0.35).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, y).flatten(2)


def by_bmm(x: Tensor) -> Tensor:
    y = split(x).flatten(0, 1)
    return torch.bmm(torch.softmax(torch.bmm(y * 0.3, y.mT), -1), y)


def of_images(x: Tensor) -> Tensor:
    """Channels first, the weights turned round."""
    return torch.bmm(x.mT, torch.softmax(torch.bmm(x, x.mT * 0.2), -1).permute(0, 2, 1))


def masked(x: Tensor, mask: Tensor, far: float) -> Tensor:
    y = split(x)
    return ((y @ y.mT / 8**0.5).masked_fill(mask, far)).softmax(-1) @ y


def rolled_windows(x: Tensor) -> Tensor:
    """A mask for each of several windows that are a batch, as Swin writes it."""
    y = x.reshape(2, 5, 16)
    scores = (split(y) @ split(y).mT).view(1, 2, 2, 5, 5)
    mask = torch.where(torch.arange(50).reshape(1, 2, 1, 5, 5) % 3 == 1, -100.0, 0.0)
    weights = (scores * 0.2 + mask).view(2, 2, 5, 5).softmax(-1)
    return (weights @ split(y)).transpose(1, 2).flatten(2)


def mha(said: dict[str, Any] | None = None, first: bool = False, **made: Any) -> nn.Module:
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=not first, **made)
    return Net(
        lambda m, x, y=None: m(x, x if y is None else y, x if y is None else y, **(said or {}))[0], module
    )


LINE, BOTH = ((1, LENGTH, WIDTH),), ((1, LENGTH, WIDTH), (1, OTHER, WIDTH))
Written = tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...]]
WRITTEN: dict[str, Written] = {
    "plain": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x))), LINE),
    "causal": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x), is_causal=True)), LINE),
    "truths": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x), attn_mask=CAUSAL == 0)), LINE),
    "added": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x), attn_mask=ALIBI)), LINE),
    "alibi": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x), attn_mask=ALIBI + CAUSAL)), LINE),
    "scale": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x), scale=0.2)), LINE),
    "rank_3": (lambda: Net(lambda x: sdpa(x, x * 0.5, x)), LINE),
    "grouped": (
        lambda: Net(lambda x: sdpa(split(x, 4), split(x[..., :8]), split(x[..., :8]), enable_gqa=True)),
        LINE,
    ),
    "one_of_keys": (lambda: Net(lambda x: sdpa(split(x, 4), x[:, None, :, :4], x[:, None, :, :4])), LINE),
    "cross": (lambda: Net(lambda x, y: sdpa(split(x), split(y), split(y))), BOTH),
    "einsum": (lambda: Net(by_einsum), LINE),
    "bmm": (lambda: Net(by_bmm), LINE),
    "of_images": (lambda: Net(of_images), LINE),
    "filled": (lambda: Net(lambda x: masked(x, CAUSAL < 0, -torch.inf)), LINE),
    "filled_by_1e9": (lambda: Net(lambda x: masked(x, CAUSAL < 0, -1e9)), LINE),
    "added_20": (lambda: Net(lambda x: sdpa(split(x), split(x), split(x), -20.0 * (CAUSAL < 0))), LINE),
    "windows": (lambda: Net(rolled_windows), LINE),
    "mha": (mha, LINE),
    "mha_without_weights": (lambda: mha({"need_weights": False}), LINE),
    "mha_seq_first": (lambda: mha(first=True), LINE),
    "mha_cross": (mha, BOTH),
    "mha_of_sizes": (lambda: mha({"need_weights": False}, bias=False, kdim=8, vdim=8), (LINE[0], (1, 7, 8))),
    "mha_biases": (lambda: mha(add_bias_kv=True, add_zero_attn=True), LINE),
    "mha_causal": (lambda: mha({"attn_mask": CAUSAL, "is_causal": True}), LINE),
    "mha_padded": (lambda: mha({"key_padding_mask": PADDED, "need_weights": False}), LINE),
}
"""Each becomes one layer."""


@pytest.mark.parametrize("name", WRITTEN)
def test_is_one_layer_that_computes_what_torch_computes(name: str) -> None:
    make, shapes = WRITTEN[name]
    graph = imported(make(), shapes)
    counted = Counter(node.op for node in graph.nodes)
    assert counted["attention"] == 1
    assert not {"matmul", "softmax", "max_pool2d"} & {*counted}


def test_a_score_of_20_below_zero_keeps_no_key_out() -> None:
    """Beside others that are as far below it counts as they do."""
    graph = imported(Net(lambda x: masked(8.0 * x, CAUSAL < 0, -20.0)), LINE)
    assert "attention" not in {node.op for node in graph.nodes}


def imported(module: nn.Module, shapes: tuple[tuple[int, ...], ...]) -> Graph:
    """The optimized graph, whose results are those of the module."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    example = tuple(torch.randn(shape) for shape in shapes)
    graph = optimize(load(module.eval(), "net", example if len(example) > 1 else example[0]).graph)
    with torch.no_grad():
        expected = module(*example)
    every = expected if isinstance(expected, tuple) else (expected,)
    got = run_float(graph, *[x.numpy() for x in example])
    for one, known in zip(got if isinstance(got, tuple) else (got,), every, strict=True):
        np.testing.assert_allclose(one, known.numpy(), rtol=1e-4, atol=1e-5)
    return graph


@pytest.mark.parametrize("average", [True, False], ids=["mean", "each"])
@pytest.mark.parametrize(
    "said", [{}, {"attn_mask": CAUSAL}, {"key_padding_mask": PADDED}], ids=["", "causal", "padded"]
)
def test_weights_that_are_wanted_are_outputs(average: bool, said: dict[str, Any]) -> None:
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    net = Net(lambda m, x: m(x, x, x, average_attn_weights=average, **said), module)
    assert "softmax" in {node.op for node in imported(net, LINE).nodes}


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...], int]] = {
    "norm_first_gelu": (
        lambda: nn.TransformerEncoderLayer(
            WIDTH, HEADS, 32, activation="gelu", norm_first=True, batch_first=True
        ),
        LINE,
        1,
    ),
    "encoder_padded": (
        lambda: Net(
            lambda m, x: m(x, src_key_padding_mask=PADDED),
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True), 2, enable_nested_tensor=False
            ),
        ),
        LINE,
        2,
    ),
    "decoder_causal": (
        lambda: Net(
            lambda m, x, y: m(x, y, tgt_mask=CAUSAL, tgt_is_causal=True),
            nn.TransformerDecoder(nn.TransformerDecoderLayer(WIDTH, HEADS, 32, batch_first=True), 2),
        ),
        BOTH,
        4,
    ),
    "both": (lambda: nn.Transformer(WIDTH, HEADS, 1, 1, 32, batch_first=True), BOTH, 3),
}
"""How many layers of attention each has."""


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_transformers(name: str) -> None:
    make, shapes, count = LAYERS[name]
    assert Counter(node.op for node in imported(make(), shapes).nodes)["attention"] == count


def some_keys(x: Tensor) -> Tensor:
    """Which keys of x are none, as the input says; never the first."""
    return (x[..., 0] > 0.3) & (torch.arange(LENGTH) > 0)


COMPUTED: dict[str, Callable[[], nn.Module]] = {
    "alone": lambda: Net(
        lambda m, x: m(x, x, x, key_padding_mask=some_keys(x), need_weights=False)[0],
        nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
    ),
    "weighted": lambda: Net(
        lambda m, x: m(x, x, x, key_padding_mask=some_keys(x))[0],
        nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
    ),
    "causal_too": lambda: Net(
        lambda m, x: m(x, x, x, key_padding_mask=some_keys(x), attn_mask=CAUSAL < 0, need_weights=False)[0],
        nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
    ),
    "encoder": lambda: Net(
        lambda m, x: m(x, src_key_padding_mask=some_keys(x)),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True), 2),
    ),
}
"""Layers that make numbers of a computed mask of keys."""


@pytest.mark.parametrize("name", COMPUTED)
def test_a_mask_of_keys_may_be_computed(name: str) -> None:
    graph = imported(COMPUTED[name](), LINE)
    assert "compare" in {node.op for node in graph.nodes}


def test_a_mask_of_keys_that_is_read_elsewhere_stays_refused() -> None:
    def attends(m: nn.MultiheadAttention, x: Tensor) -> Tensor:
        mask = torch.zeros_like(x[..., 0]).masked_fill(some_keys(x), -torch.inf)
        return m(x, x, x, key_padding_mask=mask, need_weights=False)[0] + mask.exp()[..., None]

    with pytest.raises(UserError, match="a mask that puts infinity"):
        imported(Net(attends, nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)), LINE)


FIRST: dict[str, Callable[[], nn.Module]] = {
    "weighted": lambda: Net(lambda m, x: m(x, x, x)[0][-1], nn.MultiheadAttention(WIDTH, HEADS)),
    "alone": lambda: Net(
        lambda m, x: m(x, x, x, need_weights=False)[0][-1], nn.MultiheadAttention(WIDTH, HEADS)
    ),
    "encoder": lambda: Net(lambda m, x: m(x)[0], nn.TransformerEncoderLayer(WIDTH, HEADS, 32)),
}
"""Networks whose input begins with places, as PyTorch has it where `batch_first` is not said."""


@pytest.mark.parametrize("exported", [False, True], ids=["module", "pt2"])
@pytest.mark.parametrize("shape", [(LENGTH, 1, WIDTH), (LENGTH, WIDTH)], ids=["batch", "no_batch"])
@pytest.mark.parametrize("name", FIRST)
def test_an_input_may_begin_with_places(
    name: str, shape: tuple[int, ...], exported: bool, tmp_path: Path
) -> None:
    """They are no samples: each sample has all of them."""
    torch.manual_seed(0)
    module = FIRST[name]().eval()
    x = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    source, options = module, {"example": torch.zeros(shape)}
    if exported:
        torch.export.save(torch.export.export(module, (torch.zeros(shape),)), tmp_path / "net.pt2")
        source, options = tmp_path / "net.pt2", {}
    made = firmnet.compile(source, x, board="netduinoplus2", name="net", **options)
    assert made.graph.tensors[made.graph.input].shape == shape
    for sample in x[:3]:
        y, right = run_float(made.float_graph, sample), module(torch.from_numpy(sample)).detach()
        np.testing.assert_allclose(y.ravel(), right.ravel(), atol=1e-4)


class Cached(nn.Module):
    """A token in each run: its key and value are written where a counter says, and those behind it masked."""

    def __init__(self, rolled: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.qkv, self.rolled = nn.Linear(WIDTH, 3 * WIDTH), rolled
        self.register_buffer("keys", torch.zeros(1, LENGTH, WIDTH))
        self.register_buffer("values", torch.zeros(1, LENGTH, WIDTH))
        self.register_buffer("at", torch.zeros(1, dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.rolled:
            self.keys.copy_(torch.cat([self.keys[:, 1:], k], 1))
            self.values.copy_(torch.cat([self.values[:, 1:], v], 1))
            return sdpa(split(q), split(self.keys), split(self.values)).transpose(1, 2).flatten(2)
        self.keys.index_copy_(1, self.at, k)
        self.values[:, self.at] = v
        met = (torch.arange(LENGTH) <= self.at)[None, None, None]
        y = sdpa(split(q), split(self.keys), split(self.values), attn_mask=met)
        self.at.copy_((self.at + 1).clamp(max=LENGTH - 1))
        return y.transpose(1, 2).flatten(2)

    def whole(self, x: Tensor) -> Tensor:
        """Of (1, T, WIDTH) what the steps make."""
        q, k, v = (split(part) for part in self.qkv(x).chunk(3, -1))
        return sdpa(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("rolled", [False, True], ids=["written_at_a_counter", "rolled"])
def test_a_cache_of_keys_and_values_is_state(rolled: bool) -> None:
    """One token for each run: what all tokens at once make, as soon as the cache is full of them."""
    network = Cached(rolled).eval()
    tokens = torch.randn(LENGTH, 1, 1, WIDTH, generator=torch.Generator().manual_seed(2))
    graph = optimize(load(network, "net", tokens[0]).graph)
    made = quantize(graph, tokens.numpy()).graph
    runs = Stepper(made)
    for token in tokens.numpy():
        values = runs(*quantized_inputs(made, token))
    output = made.tensors[made.outputs[0].tensor]
    got = output.q.to_real(values[output.name]).ravel()
    with torch.no_grad():
        right = network.whole(tokens.reshape(1, LENGTH, WIDTH))[0, -1].numpy()
    assert 10 * np.log10((right**2).sum() / ((got - right) ** 2).sum()) > 30
