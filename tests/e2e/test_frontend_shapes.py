"""Do lines, paddings, windows and norms of PyTorch become the layers that they should, and no more?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.interpret import run_float
from firmnet.passes import optimize

LINE, IMAGE = (1, 6, 32), (1, 4, 9, 8)


class Of(nn.Module):
    """A function of the input as a network."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        pytest.param(
            nn.Sequential(
                nn.Conv1d(6, 8, 5, padding="same"),
                nn.BatchNorm1d(8),
                nn.ReLU(),
                nn.MaxPool1d(2),
                nn.Conv1d(8, 4, 3, padding=1, padding_mode="reflect"),
                nn.ReLU6(),
                nn.AvgPool1d(4),
                nn.Flatten(),
                nn.Linear(16, 3),
            ),
            LINE,
            ["conv2d", "max_pool2d", "pick", "conv2d", "avg_pool2d", "linear"],
            id="line_without_copies",
        ),
        pytest.param(
            nn.Sequential(
                nn.ConvTranspose1d(6, 8, 4, 2, 1), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 6, 3)
            ),
            LINE,
            ["conv_transpose2d", "conv2d"],
            id="transposed_line",
        ),
        pytest.param(
            nn.Sequential(
                nn.Conv2d(4, 8, 3, padding=1, padding_mode="circular"),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.ConvTranspose2d(8, 4, 3, 2, 1, 1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(4, 1, 1),
            ),
            IMAGE,
            ["pick", "conv2d", "max_pool2d", "conv_transpose2d", "pick", "conv2d"],
            id="image_there_and_back",
        ),
        pytest.param(nn.ConvTranspose2d(4, 6, 3, padding=1), IMAGE, ["conv2d"], id="transposed_by_1"),
        pytest.param(Of(lambda x: F.normalize(F.relu(x))), (1, 7), ["clamp", "normalize"], id="normalized"),
        pytest.param(
            Of(lambda x: x / x.norm(dim=1, keepdim=True)), (1, 7), ["normalize"], id="over_its_norm"
        ),
        pytest.param(Of(lambda x: F.normalize(x, dim=(2, 3))), IMAGE, ["normalize"], id="normalized_images"),
        pytest.param(nn.AdaptiveMaxPool2d((4, 5)), IMAGE, ["pick", "max_pool2d"], id="uneven_windows"),
        pytest.param(
            nn.Sequential(
                nn.Conv3d(1, 4, 3, padding=1),
                nn.BatchNorm3d(4),
                nn.ReLU(),
                nn.MaxPool3d(2),
                nn.Conv3d(4, 2, (2, 1, 1)),
            ),
            (1, 1, 4, 6, 8),
            ["pick", "transpose", "conv2d", "pick", "max_pool2d", "max_pool2d", "transpose", "conv2d"],
            id="volume",
        ),
        pytest.param(
            nn.Sequential(
                nn.Unflatten(1, (3, 2)), nn.Flatten(0, 1), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU()
            ),
            (1, 6, 5, 4),
            ["pick", "transpose", "conv2d", "pick"],
            id="several_images",
        ),
        pytest.param(
            nn.Sequential(nn.Unfold(2, stride=2), nn.Fold((8, 6), 2, stride=2)),
            (1, 3, 8, 6),
            [],
            id="fold",
        ),
        pytest.param(nn.PixelShuffle(2), IMAGE, ["transpose"], id="pixel_shuffle"),
    ],
)
def test_becomes(module: nn.Module, shape: tuple[int, ...], expected: list[str]) -> None:
    """Views cost nothing and are not listed."""
    graph = optimize(load(module.eval(), example=torch.zeros(shape)).graph)
    assert [node.op for node in graph.nodes if node.op != "reshape"] == expected
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run_float(graph, x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), "the indices that it gives"),
    ],
    ids=["indices"],
)
def test_is_refused(function: Callable[[Tensor], Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load(Of(function), example=torch.ones(IMAGE))
