"""How does chance call activation functions?"""

from typing import Any

from .drawing import Draw, Family, alone


def bounded(d: Draw) -> tuple[Any, ...]:
    x, _ = d.activation()
    low, high = d.choice([-1.0, -0.3, 0.0, None]), d.choice([0.2, 1.0, 2.5, None])
    return x, low, high


def hardtanh(d: Draw) -> tuple[Any, ...]:
    x, _ = d.activation()
    return x, d.choice([-1.0, -0.3, 0.0]), d.choice([0.5, 1.0, 2.5])


def bound(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], d.number()


def bound_tensor(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], d.constant(*d.choice([(), (1,)]))


def bounds_tensor(d: Draw) -> tuple[Any, ...]:
    return d.activation()[0], d.choice([None, d.constant()]), None


def softmax(d: Draw) -> tuple[Any, ...]:
    x, shape = d.activation()
    return x, d.axis(shape)


def softmax_whole(d: Draw) -> tuple[Any, ...]:
    return *softmax(d), False


FAMILY = Family(
    {
        "relu.default": alone,
        "relu6.default": alone,
        "hardtanh.default": hardtanh,
        "clamp.default": bounded,
        "clamp.Tensor": bounds_tensor,
        "clip.default": bounded,
        "clip.Tensor": bounds_tensor,
        "clamp_min.default": bound,
        "clamp_min.Tensor": bound_tensor,
        "clamp_max.default": bound,
        "clamp_max.Tensor": bound_tensor,
        "softmax.int": softmax,
        "_softmax.default": softmax_whole,
        "log_softmax.int": softmax,
        "_log_softmax.default": softmax_whole,
    },
    weight=5,
)
