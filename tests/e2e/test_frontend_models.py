"""Does importing keep what PyTorch computes, and what the user called it?"""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.ao import quantization
from torch.distributions import Categorical, Distribution, Normal

import firmnet
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import run_float
from firmnet.ir import Graph
from firmnet.passes import optimize

EXAMPLES = Path(__file__).parents[2] / "examples"


def imported(module: nn.Module, *shape: int) -> Graph:
    """Import, optimize and compare with torch on one random sample."""
    graph = load(module, example=torch.zeros(shape)).graph
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x.copy())).numpy()
    optimized = optimize(graph)
    np.testing.assert_allclose(run_float(graph, x), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run_float(optimized, x), expected, rtol=1e-5, atol=1e-5)
    return optimized


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


class Block(nn.Module):
    """conv → relu in place, and the mutated tensor read again by the residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(x)
        return self.relu(self.bn(self.conv(x)) + x)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.bn(self.conv(x)))


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 3, 3, padding="same"), nn.Conv2d(2, 5, 1)
        self.head = nn.Linear(8 * 3 * 3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.max_pool2d(torch.cat([self.left(x), self.right(x)], 1), 2)
        return self.head(torch.softmax(y, 1).flatten(1))


class Mutating(nn.Module):
    """Names bound to new values, += on a tensor that is read later, and the input itself changed."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.relu_()
        y = self.fc(x)
        z = y
        y += x
        return z + y


class SqueezeExcite(nn.Module):
    """Channels weighed by linear layers on their means, the weights on the left of the product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.squeeze, self.excite = nn.Conv2d(2, 6, 3), nn.Linear(6, 3), nn.Linear(3, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        weights = F.hardtanh(self.excite(F.relu(self.squeeze(y.mean((2, 3))))), 0, 1)
        return F.relu6(weights.view(1, 6, 1, 1) * y)


class Tokens(nn.Module):
    """An image as a sequence of its pixels: permute in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 6, 3), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).flatten(2).permute(0, 2, 1))


class Function(nn.Module):
    """A linear layer and a function of what it makes."""

    def __init__(self, function: Any, size: int = 4) -> None:
        super().__init__()
        self.fc, self.function = nn.Linear(size, size), function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self.fc(x))


Named = namedtuple("Named", "logits")


@dataclass
class Output:
    logits: torch.Tensor
    loss: torch.Tensor | None = None


class OwnMapping(OrderedDict[str, Any]):
    """As model libraries have it: a mapping with attributes."""


def digits_like() -> nn.Sequential:
    return nn.Sequential(
        *[nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Flatten(), nn.Dropout(), nn.Linear(48, 10)],
    )


def test_a_typical_network_needs_no_transpose_and_no_clamp() -> None:
    graph = imported(digits_like(), 1, 1, 8, 8)
    assert ops(graph) == ["conv2d", "max_pool2d", "conv2d", "max_pool2d", "reshape", "linear"]
    assert [node.attrs.lo for node in graph.nodes if node.op == "conv2d"] == [0, 0]


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), Block(4), Block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            (1, 3, 9, 9),
        ),
        (Branches(), (1, 2, 6, 6)),
        (Twice(), (1, 3, 5, 5)),
        (Tokens(), (1, 2, 6, 7)),
        (SqueezeExcite(), (1, 2, 6, 7)),
        (
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.ReLU(), nn.BatchNorm1d(48), nn.Linear(48, 2)),
            (1, 2, 6, 6),
        ),
        (nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 3, 3), nn.Softmax(1)), (1, 2, 6, 6)),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU6(), nn.Conv2d(3, 3, 3, groups=3)), (1, 3, 5, 5)),
        (nn.Sequential(nn.Linear(5, 4), nn.Hardtanh(-2, 2), nn.Linear(4, 3)), (1, 2, 6, 5)),
    ],
    ids=[
        "residual",
        "concat",
        "shared",
        "tokens",
        "squeeze-excite",
        "flatten-relu-bn",
        "pad-softmax",
        "bn-first",
        "linear-rank-4",
    ],
)
def test_no_transpose_survives(module: nn.Module, shape: tuple[int, ...]) -> None:
    assert "transpose" not in ops(imported(module, *shape))


def test_concatenated_flattened_branches_need_no_transpose() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(3 * 16 + 2 * 36, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(torch.cat([self.conv(x).flatten(1), x.flatten(1)], 1))

    assert "transpose" not in ops(imported(Wide(), 1, 2, 6, 6))


def test_values_changed_in_place_are_read_as_python_reads_them() -> None:
    imported(Mutating(), 1, 6)


def test_a_branch_read_before_its_activation_keeps_both_tensors() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.fc(x)
            return torch.relu(y) + y

    assert ops(imported(Both(), 1, 4)) == ["linear", "table"]


def test_the_linear_layer_of_simplenet_acts_on_the_width() -> None:
    source = load(f"{EXAMPLES / 'simplenet.py'}:model")
    graph = optimize(source.graph)
    assert graph.name == "simplenet"
    assert source.calibration is not None
    assert source.calibration.shape == (32, 3, 10, 66)
    assert run_float(graph, source.calibration[0]).shape == (1, 64, 8, 10)
    assert ops(graph) == ["conv2d", "transpose", "linear"]


def test_layers_are_named_by_module_and_operator() -> None:
    graph = load(nn.Sequential(nn.Conv2d(3, 4, 1), Block(4)), example=torch.zeros(1, 3, 5, 5)).graph
    names = {node.name for node in graph.nodes if node.op != "transpose"}
    assert names == {"layer_0", "layer_1_relu", "layer_1_conv", "layer_1_bn", "layer_1_add", "layer_1_relu_1"}
    assert load(Twice(), example=torch.zeros(1, 3, 5, 5)).graph.name == "twice"


def test_training_flags_are_left_alone() -> None:
    module = digits_like().train()
    module[1].eval()
    load(module, example=torch.zeros(4, 1, 8, 8))
    assert [part.training for part in module[:3]] == [True, False, True]


def test_a_pt2_file_gives_the_same_graph_as_its_module(tmp_path: Path) -> None:
    module, x = digits_like().eval(), torch.randn(1, 1, 8, 8)
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "Net-1.pt2")
    from_file, from_module = load(tmp_path / "Net-1.pt2").graph, load(module, "net_1", x).graph
    assert from_file.name == "net_1"
    assert [node.name for node in from_file.nodes] == [node.name for node in from_module.nodes]
    assert np.array_equal(run_float(from_file, x.numpy()), run_float(from_module, x.numpy()))


def test_a_function_may_return_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("import torch\nfc = torch.nn.Linear(3, 2)\n")
    (tmp_path / "net.py").write_text(
        "import torch\nfrom layers import fc\n"
        "def model():\n"
        "    x = torch.eye(3)\n"
        "    return dict(module=fc, example=x, calibration=x, test=(x, [0, 1, 0]), labels='ab', name='two')\n"
    )
    source = load(f"{tmp_path / 'net.py'}:model")
    assert (source.graph.name, source.labels) == ("two", ("a", "b"))
    assert source.test is not None
    assert source.test[1].tolist() == [0, 1, 0]
    assert source.example is not None
    assert [x.tolist() for x in source.example] == [[[1, 0, 0]]]


def test_a_derived_name_is_one_that_any_c_compiler_takes(tmp_path: Path) -> None:
    (tmp_path / "Größe 2.py").write_text(
        "import torch\ndef model(): return torch.nn.Linear(3, 2), torch.zeros(1, 3)"
    )
    assert load(f"{tmp_path / 'Größe 2.py'}:model").graph.name == "gr_e_2"


def test_layers_may_be_called_like_the_library_around_them() -> None:
    class Awkward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.fingerprint, self.größe = (nn.Linear(3, 3) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(self.fingerprint(self.größe(x)))  # type: ignore[no-any-return]

    names = [node.name for node in imported(Awkward(), 1, 3).nodes]
    assert names == ["gr_e", "fingerprint", "model"]  # tests/unit/test_symbols.py compiles such


def test_constants_are_computed_at_import() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.linear(x, self.weight / self.weight.norm(), torch.arange(4) * 0.5)

    assert ops(imported(Scaled(), 1, 3)) == ["linear"]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda y: (y,),
        lambda y: [y],
        lambda y: (y, None),
        lambda y: {"logits": y},
        lambda y: {"scores": [(y,)]},
        Named,
        Output,
        lambda y: OwnMapping(logits=y),
    ],
    ids=["tuple", "list", "with-none", "dict", "nested", "namedtuple", "dataclass", "own-mapping"],
)
def test_one_tensor_may_be_wrapped_in_anything(wrapped: Any) -> None:
    module = Function(wrapped)
    graph = load(module, example=torch.zeros(1, 4)).graph
    x = torch.randn(1, 4)
    with torch.no_grad():
        np.testing.assert_allclose(run_float(graph, x.numpy()), module.fc(x).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: torch.hstack([x, x]), {"concat"}),
        (lambda x: torch.vstack([x, x]), {"concat"}),
        (lambda x: torch.dstack([x, x]), {"concat"}),
        (lambda x: torch.column_stack([x.flatten(1), x.flatten(1)]), {"concat"}),
        (lambda x: torch.concatenate([x, x.clip(0, 1)], 1), {"concat"}),
        (lambda x: x.square(), {"table"}),
        (lambda x: x.clone().clamp_(0, 6).type_as(x), {"clamp"}),
        (lambda x: F.threshold(x, 0, 0), {"clamp"}),
        (nn.ChannelShuffle(2), {"transpose"}),
        (nn.PixelShuffle(2), {"transpose"}),
        (nn.PixelUnshuffle(2), {"transpose"}),
        (lambda x: x.mean((2, 3), keepdim=True)[:, :, 0, 0], {"avg_pool2d"}),
        (lambda x: x.mean(3).mean(2), {"avg_pool2d"}),
        (lambda x: x.mean([-1, -2]), {"avg_pool2d"}),
        (lambda x: x[:, :, ::2, ::2], {"slice"}),
        (lambda x: torch.einsum("bchw,oc->bohw", x, torch.ones(3, 4)), {"linear"}),
        (lambda x: torch.tensordot(x, torch.ones(3, 4), ([1], [1])), {"linear"}),
        (lambda x: torch.baddbmm(torch.ones(1, 1, 3), x.flatten(2).mT, torch.ones(1, 4, 3)), {"linear"}),
        (lambda x: torch.addbmm(torch.ones(1, 3), x.flatten(2).mT, torch.ones(1, 4, 3)), {"linear"}),
        (lambda x: torch.inner(x, torch.ones(3, 6)), {"linear"}),
        (lambda x: torch.ones(5, 6) @ x, {"linear"}),
        (lambda x: torch.linalg.multi_dot([x.view(4, 36), torch.ones(36, 2), torch.ones(2, 3)]), {"linear"}),
        (lambda x: torch.outer(x.flatten(), torch.ones(3)), {"linear"}),
        (lambda x: torch.lerp(x, x.relu(), 0.25), {"table"}),
        (lambda x: torch.addcmul(x, x, x.relu(), value=0.5), {"table"}),
        (lambda x: torch.add(x, x.relu(), alpha=-2), {"table"}),
        (lambda x: 1 - torch.subtract(x, x.relu()), {"table"}),
        (lambda x: x.tile(2, 1, 1).repeat_interleave(2, 3), {"slice"}),
        (lambda x: torch.stack([x, x], 1).movedim(1, -1).flatten(3), {"concat", "transpose"}),
        (lambda x: (x - torch.arange(4.0).view(4, 1, 1)) / 3 + torch.zeros_like(x), {"conv2d"}),
        (lambda x: x * x.mean((2, 3), keepdim=True).expand_as(x), {"avg_pool2d", "mul"}),
        (lambda x: torch.relu_(x + x).unflatten(1, (2, 2)).swapaxes(1, 2).contiguous(), {"table"}),
        (lambda x: torch.cat([x, torch.ones(1, 1, 6, 6).type_as(x) - 0.5], 1), {"concat"}),
    ],
    ids=range(33),
)
def test_other_spellings_are_what_they_spell(function: Any, expected: set[str]) -> None:
    module = function if isinstance(function, nn.Module) else nn.Sequential(Only(function))
    assert expected <= set(ops(imported(module, 1, 4, 6, 6)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, p: F.cosine_similarity(x, p[:1]),
        lambda x, p: F.cosine_similarity(x[:, None], p[None], dim=-1),
        lambda x, p: F.pairwise_distance(x, p[:1]),
        lambda x, p: F.pairwise_distance(x[:, None], p, p=1, keepdim=True),
        lambda x, p: (x[:, None] - p).square().sum(-1).argmin(1),
        lambda x, p: torch.argmin(x, dim=-1, keepdim=True),
        lambda x, p: torch.argmin(x),
        lambda x, p: tuple((x[:, None] - p).abs().sum(-1).min(1)),
        lambda x, p: x.topk(1, largest=False)[1],
        lambda x, p: torch.logsumexp(x, 1),
        lambda x, p: (x[:, None] * p).logsumexp((1, 2), keepdim=True),
        lambda x, p: torch.std_mean(x, 1),
        lambda x, p: torch.std_mean(x[:, None] * p, dim=(1, 2), correction=0, keepdim=True),
        lambda x, p: torch.var_mean(x, dim=1, unbiased=False),
        lambda x, p: torch.var_mean(x),
        lambda x, p: F.mse_loss(x, p[:1]),
        lambda x, p: F.mse_loss(x, x.relu(), reduction="none").mean(1),
        lambda x, p: F.l1_loss(x, x.relu(), reduction="sum"),
        lambda x, p: torch.broadcast_tensors(x[:, None].relu(), p[None] + x)[0],
    ],
    ids=range(19),
)
def test_distances_and_statistics_are_spelled_out(function: Any) -> None:
    points = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    module = Only(lambda x: function(x, points))
    x = torch.randn(1, 6, generator=torch.Generator().manual_seed(2))
    graph = load(module, example=x).graph
    returned = module(x)
    computed = run_float(graph, x.numpy())
    several = isinstance(returned, tuple)
    for y, wanted in zip(*(computed, returned) if several else ((computed,), (returned,)), strict=True):
        np.testing.assert_allclose(y, wanted.numpy(), rtol=1e-5, atol=1e-6)


class Only(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def test_a_gate_that_is_expanded_is_not_copied() -> None:
    module = Only(lambda x: x * x.mean((2, 3), keepdim=True).expand_as(x))
    assert ops(imported(module, 1, 4, 6, 6)) == ["avg_pool2d", "mul"]


def test_factors_and_shifts_go_into_the_layer_before() -> None:
    assert ops(imported(Function(lambda y: (y - 0.5) / 2 * torch.arange(1.0, 5)), 1, 4)) == ["linear"]
    conv = nn.Sequential(nn.Conv2d(2, 3, 3), Only(lambda y: y / 4 + torch.arange(3.0).view(3, 1, 1)))
    assert ops(imported(conv, 1, 2, 6, 6)) == ["conv2d"]


def test_a_bias_of_one_row_is_a_bias() -> None:
    bias, weight = torch.randn(1, 3), torch.randn(4, 3)
    assert ops(imported(Function(lambda y: torch.addmm(bias, y, weight)), 1, 4)) == ["linear", "linear"]


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    seed = torch.random.get_rng_state()
    load(module, example=torch.zeros(1, 4))
    assert [part.training for part in module] == [True, False, True]
    assert torch.equal(torch.random.get_rng_state(), seed)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_wraps_a_module_and_computes_the_same_is_taken_off() -> None:
    for wrapped in (torch.compile(nn.Linear(4, 3)), nn.DataParallel(nn.Linear(4, 3))):
        assert ops(load(wrapped, "net", torch.zeros(1, 4)).graph) == ["linear"]


@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_very_small_and_very_large_outputs_are_compared(size: float) -> None:
    load(Function(lambda y: y * size), example=torch.zeros(1, 4))


def test_the_import_is_compared_on_the_calibration_samples() -> None:
    class Rare(nn.Module):
        """What torch.export cannot know: a value that only real samples have."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x) if torch.compiler.is_exporting() or x.max() < 99 else x + 1

    samples = np.zeros((50, 4), np.float32)
    load(Rare(), "net", torch.zeros(1, 4), samples)
    samples[-1] = 100
    with pytest.raises(UserError, match="changes what model 'net' computes"):
        load(Rare(), "net", torch.zeros(1, 4), samples)


def test_what_is_composed_of_other_layers_is_bit_exact_too(tmp_path: Path) -> None:
    def head(y: torch.Tensor) -> torch.Tensor:
        gate = (y * y).mean((2, 3), keepdim=True).expand_as(y)
        z = 1 - (y - gate.relu() * y) / 3 + torch.linspace(0, 1, 36).view(1, 1, 6, 6)
        return F.pixel_shuffle(z[:, :, ::2], 2).sum(3) + y.amax((2, 3)).repeat(1, 2)[:, :1, None]

    network = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), Only(head))
    samples = np.random.default_rng(0).normal(size=(16, 4, 6, 6)).astype(np.float32)
    deployment = firmnet.compile(network, samples, board="netduinoplus2", name="composed")
    deployment.save(tmp_path / "composed")
    assert deployment.verify(device="host", layers=True).ok
    assert deployment.quality[-1].snr_db > 25


class Attribute(nn.Module):
    """A plain attribute that is no buffer; what is the same everywhere is divided by its rounding noise."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = torch.eye(7).flip(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        written = torch.zeros(1, 7)
        written[:, :] = x @ self.turn + 0.1
        centred = written - written.mean(-1, keepdim=True)
        return centred / (centred.std(-1, keepdim=True) + 1e-8)


def test_a_doubt_of_float32_is_settled_though_an_attribute_is_float32() -> None:
    assert load(Attribute(), example=torch.randn(1, 7)).graph.nodes


def boxes(x: torch.Tensor) -> torch.Tensor:
    """Places and sizes in pixels of shares, written where these were read."""
    y = x.sigmoid()
    y[:, :2] = y[:, :2] * 400 - 100
    y[:, 2:4] = y[:, 2:4] ** 2 * 300
    return y


def test_what_is_read_beside_a_written_part_keeps_a_range_of_its_own() -> None:
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    made = firmnet.compile(Only(boxes), x, board="nucleo_f446re", name="boxes")
    sizes = [row.snr_db for row in made.quality if row.op == "table"]
    assert sizes
    assert min(sizes) > 30
    assert made.verify(layers=True).ok


class Limited(nn.Module):
    """Keeps the norms of its weights below a limit, as nets for EEG do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(2, 4, 3), nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.conv.weight.data = torch.renorm(self.conv.weight.data, 2, 0, 0.3)
        self.fc.weight.data.clamp_(-0.1, 0.1)
        with torch.no_grad():
            self.fc.bias.copy_(self.fc.bias.clamp(min=0))
        return self.fc(self.conv(x).relu().flatten(1))


def test_weights_that_forward_keeps_within_limits_are_those_within() -> None:
    module = Limited()
    before = {name: parameter.clone() for name, parameter in module.named_parameters()}
    graph = optimize(load(module, example=torch.zeros(1, 2, 8)).graph)
    assert all(torch.equal(parameter, before[name]) for name, parameter in module.named_parameters())
    conv, fc = (
        graph.tensors[next(node for node in graph.nodes if node.op == op).inputs[1]].values
        for op in ("conv2d", "linear")
    )
    assert np.sqrt((conv**2).sum((1, 2, 3))).max() < 0.3001
    assert np.abs(fc).max() < 0.1001


class Distributions(nn.Module):
    """A policy as it is published: what it returns is of distributions, which check what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> Any:
        mean, spread = self.fc(x).chunk(2, 1)
        gaussian, chosen = Normal(mean, spread.exp()), Categorical(logits=mean)
        return gaussian.log_prob(torch.zeros(2)).sum(1), gaussian.entropy(), chosen.probs, chosen.entropy()


def test_distributions_are_followed_and_check_what_they_are_given_afterwards() -> None:
    Distribution.set_default_validate_args(True)  # as it is until torch.compile is used
    assert len(load(Distributions(), example=torch.zeros(1, 6)).graph.outputs) == 4
    with pytest.raises(ValueError, match="scale"):
        Normal(torch.zeros(1), -torch.ones(1))


def prepared() -> nn.Module:
    """A network that is half-way through PyTorch's own training for quantization."""
    module = nn.Sequential(
        quantization.QuantStub(),
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48, 2),
    ).train()
    module.qconfig = quantization.get_default_qat_qconfig("qnnpack")  # type: ignore[assignment]
    quantization.fuse_modules_qat(module, [["1", "2", "3"]], inplace=True)
    quantization.prepare_qat(module, inplace=True)
    module(torch.randn(4, 1, 6, 6))
    return module


@pytest.mark.filterwarnings("ignore")
def test_what_imitates_quantization_is_left_out_and_stays_in_the_module() -> None:
    module = prepared()
    kept = [type(part) for part in module.modules()]
    ranges = {name: buffer.clone() for name, buffer in module.named_buffers()}
    found = load(module, example=torch.zeros(1, 1, 6, 6))
    assert ops(optimize(found.graph)) == ["conv2d", "reshape", "linear"]
    assert "its 10 layers that imitate quantization" in found.notes[0]
    assert [type(part) for part in module.modules()] == kept
    assert all(torch.equal(buffer, ranges[name]) for name, buffer in module.named_buffers())


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_is_quantized_already_is_refused() -> None:
    module = quantization.convert(prepared().eval())
    with pytest.raises(UserError, match="'0' is a quantized Quantize: give it as it was"):
        load(module, example=torch.zeros(1, 1, 6, 6))


class SparseGraph(nn.Module):
    """A graph's edges in a sparse buffer."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("edges", getattr(torch.eye(6).roll(1, 0), layout)())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.edges @ self.fc(x[0])) + torch.sparse.mm(self.edges, self.fc(x[0]))


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr"])
def test_sparse_constants_are_constants(layout: str) -> None:
    imported(SparseGraph(layout), 1, 6, 4)
