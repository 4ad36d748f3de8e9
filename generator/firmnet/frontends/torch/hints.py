"""What can a user do about an operator firmnet does not have? Advice, each with a network that follows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ir import Shape

DEFAULT = 'firmnet has no such operator: "What networks it takes" in the README lists those it has'


@dataclass(frozen=True)
class Example:
    """A network with the operator and what the advice makes of it; both take an input of `shape`.

    What the advice leaves to the host is done to the input by `given` and to the output by `outside`. Then
    both compute the same, unless the advice is to train another network (`trained_again`).
    """

    before: Callable[[Any], Any]
    after: Callable[[Any], Any]
    shape: Shape
    trained_again: bool = False
    given: Callable[[Any], Any] = lambda x: x
    outside: Callable[[Any], Any] = lambda y: y


@dataclass(frozen=True)
class Hint:
    """Advice for some operators, by their bare names; the tests apply it to every example."""

    operators: tuple[str, ...]
    advice: str
    examples: tuple[Example, ...]


class Network(nn.Module):
    """A function of one tensor as a network."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


VECTOR, TOKENS, LINE, IMAGE = (1, 6), (1, 5, 4), (1, 4, 8), (1, 4, 6, 6)
W = torch.linspace(-1, 1, 36).reshape(6, 6).roll(5, 1)
T = torch.linspace(-1, 1, 12).reshape(3, 4)


def linear(x: Tensor) -> Tensor:
    """The layer before or behind the operator of an example."""
    return F.linear(x, W)


HINTS = (
    Hint(
        ("where", "masked_fill"),
        "a mask that keeps log-softmax away from some values may be a sum with -20 there",
        (
            Example(
                lambda x: linear(x).masked_fill(W[:1] > 0, -torch.inf).log_softmax(1),
                lambda x: (linear(x) - 20 * (W[:1] > 0)).log_softmax(1),
                VECTOR,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("scaled_dot_product_attention",),
        "its dropout is on whatever the model's mode: give dropout_p=0.0 outside of training",
        (
            Example(
                lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
                lambda x: F.scaled_dot_product_attention(x, x, x),
                TOKENS,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("fractional_max_pool2d", "fractional_max_pool3d"),
        "it draws its windows at random: use nn.AdaptiveMaxPool2d, and train again",
        (
            Example(
                nn.FractionalMaxPool2d(2, output_size=3),
                nn.AdaptiveMaxPool2d(3),
                IMAGE,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("max_unpool1d", "max_unpool2d", "max_unpool3d"),
        "instead of unpooling use nn.Upsample or a transposed convolution, and train again",
        (
            Example(
                lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), [2, 2]),
                lambda x: F.interpolate(F.max_pool2d(x, 2), scale_factor=2),
                IMAGE,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("grid_sampler", "affine_grid_generator"),
        "let the grid be a buffer, or warp the input on the host",
        (
            Example(
                lambda x: F.grid_sample(x, F.affine_grid(x[:, :2, 0, :3], [1, 4, 6, 6])),
                lambda x: F.grid_sample(x, F.affine_grid(T[None, :2, :3], [1, 4, 6, 6])),
                IMAGE,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("topk", "sort", "argsort", "quantile", "nanquantile", "mode"),
        "leave it out: predict() returns the class with the highest score, and the host can sort",
        (
            Example(
                lambda x: linear(x).repeat(1, 700).topk(2)[0],
                lambda x: linear(x).repeat(1, 700),
                VECTOR,
                outside=lambda y: y.topk(2)[0],
            ),
        ),
    ),
    Hint(
        ("index", "index_select", "gather", "take", "take_along_dim"),
        "choose by constant indices, or weigh all of them by a gate",
        (
            Example(
                lambda x: x[:, x[0, :1].abs().long().clamp(max=5)],
                lambda x: (x * F.hardtanh(T.repeat(3, 1)[:1, :1] + x, 0, 1)).sum(1, keepdim=True),
                VECTOR,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("to", "to_copy"),
        "keep the model in float32 throughout",
        (Example(lambda x: linear(x).half().float().relu(), lambda x: linear(x).relu(), VECTOR, True),),
    ),
    Hint(
        ("dropout", "native_dropout", "feature_dropout", "alpha_dropout"),
        "switch dropout off: export after model.eval(), and give F.dropout training=self.training",
        (Example(lambda x: F.dropout(linear(x)), linear, VECTOR, trained_again=True),),
    ),
    Hint(
        ("batch_norm", "native_batch_norm", "native_batch_norm_legit", "native_batch_norm_legit_functional"),
        "batch norm in training mode: export the model after model.eval()",
        (
            Example(
                lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4), training=True),
                lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4)),
                IMAGE,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("cond", "while_loop", "map_impl", "scan", "associative_scan"),
        "the board runs the same layers for every input: compute every way, and weigh the results by a gate",
        (
            Example(
                lambda x: torch.cond(x.sum() > 0, torch.neg, torch.relu, (x,)),
                lambda x: x.relu() * F.hardtanh(x.sum(1, keepdim=True), 0, 1),
                VECTOR,
                trained_again=True,
            ),
        ),
    ),
    Hint(
        ("floor_divide",),
        "whole numbers that the network computes: return them, and let the host divide",
        (
            Example(
                lambda x: linear(x).argmax(1) // 2,
                lambda x: linear(x).argmax(1),
                VECTOR,
                outside=lambda y: y // 2,
            ),
        ),
    ),
    Hint(
        ("item", "local_scalar_dense"),
        "keep the number a tensor, e.g. x.sum(1, keepdim=True)",
        (Example(lambda x: x * x.sum().item(), lambda x: x * x.sum(1, keepdim=True), VECTOR),),
    ),
    Hint(
        (
            *("fft_rfft", "fft_fft", "stft", "fft_rfft2", "fft_fft2", "complex", "polar", "view_as_real"),
            *("fft_irfft", "fft_ifft", "istft", "fft_irfft2", "fft_ifft2"),
        ),
        "compute the spectrum on the host and give it to the model as its input",
        (
            Example(
                lambda x: torch.view_as_real(torch.fft.rfft(x)).flatten(1) @ T.repeat(3, 1)[:8],
                lambda x: x @ T.repeat(3, 1)[:8],
                VECTOR,
                given=lambda x: torch.view_as_real(torch.fft.rfft(x)).flatten(1),
            ),
        ),
    ),
    Hint(
        ("view_as_complex",),
        "turn pairs in real numbers: a * cos - b * sin beside a * sin + b * cos",
        (
            Example(
                lambda x: torch.view_as_real(
                    torch.view_as_complex(x.reshape(1, 5, 2, 2)) * torch.polar(torch.ones(2), T[0, :2])
                ).flatten(2),
                lambda x: torch.stack(
                    [
                        x[..., ::2] * T[0, :2].cos() - x[..., 1::2] * T[0, :2].sin(),
                        x[..., ::2] * T[0, :2].sin() + x[..., 1::2] * T[0, :2].cos(),
                    ],
                    -1,
                ).flatten(2),
                TOKENS,
            ),
        ),
    ),
)

ADVICE = {operator: hint.advice for hint in HINTS for operator in hint.operators}


def op_name(target: str) -> str:
    """The bare operator: "aten._native_batch_norm_legit.default" → "native_batch_norm_legit"."""
    parts = target.split(".")
    return parts[1 if len(parts) > 1 else 0].strip("_")


def hint(target: str, reason: str = "", otherwise: str = "") -> str:
    """What to do instead of the operator named by its full name, or about the `reason` why it does not go.

    `otherwise` is said of an operator of which no more is known.
    """
    advice = ADVICE.get(op_name(target), otherwise or ("" if reason else DEFAULT))
    return "; ".join(filter(None, (reason, advice)))
