"""Is it said which parts of an output are lost beside larger ones, and does what is said to help, help?"""

import numpy as np

from firmnet.frontends.common.builder import Builder
from firmnet.ir import Array, Graph, Tensor
from firmnet.ops.spec import OPS
from firmnet.quantize import lost_parts, quantize, read_precision


def linear(b: Builder, x: Tensor, weight: Array, name: str) -> Tensor:
    constants = b.constant(f"{name}_w", weight), b.constant(f"{name}_b", np.zeros(len(weight)))
    return b.add("linear", OPS["linear"].attrs(), x, *constants, name=name)


def detector(pixels: float, apart: bool = False) -> Graph:
    """Boxes in pixels, and scores, one behind the other or as an output each."""
    rng, b = np.random.default_rng(2), Builder("detector")
    x = b.input("x", (1, 16))
    boxes = linear(b, x, pixels * rng.normal(size=(4, 16)), "boxes")
    scores = linear(b, x, rng.normal(size=(3, 16)), "scores")
    if apart:
        return b.graph(x, {"boxes": boxes, "scores": scores})
    joined = b.add("concat", OPS["concat"].attrs(axis=1), boxes, scores, name="joined")
    return b.graph(x, {"found": b.add("reshape", OPS["reshape"].attrs(shape=(7,)), joined, name="flat")})


def said(graph: Graph, *precision: str) -> str:
    samples = np.random.default_rng(3).normal(size=(40, 1, 16)).astype(np.float32)
    made = quantize(graph, samples, precision=read_precision(list(precision)))
    return lost_parts(made.graph, made.quality)


def test_scores_beside_pixels_are_named_with_what_helps() -> None:
    sentence = said(detector(pixels=100.0))
    assert "parts of the output 'found' are much smaller" in sentence
    assert "left of scores (" in sentence
    assert "boxes" not in sentence
    assert "--precision joined=int16" in sentence
    assert said(detector(pixels=100.0), "joined=int16") == ""


def test_parts_of_one_size_and_outputs_of_their_own_need_no_word() -> None:
    assert said(detector(pixels=2.0)) == ""
    assert said(detector(pixels=100.0, apart=True)) == ""
