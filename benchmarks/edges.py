"""What do the edges of a model cost, float to integer and back? Prints cycles per element on each core.

    python benchmarks/edges.py

A generated model's own C, in the simulator of `firmnet profile`; what it makes is compared with the law, bit
by bit. The floats are noise, an image of 256 levels, and halves of steps, where on a core without FPU floats
must decide. Cycles are a Cortex-M4's, whatever core it is: others differ in loads, products and branches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import manual_seed, nn

import firmnet
from firmnet.codegen.model import library
from firmnet.devices.runner import Model
from firmnet.errors import VerificationError
from firmnet.ir import Array, Graph
from firmnet.profile.cycles import Cost, cost, decode
from firmnet.profile.image import build
from firmnet.profile.recorders import record_edges
from firmnet.profile.simulate import simulate
from firmnet.qmath import dequantize_output, quantize_input
from firmnet.targets import isa

PLANES, SIDE = 3, 16
VALUES = PLANES * SIDE * SIDE
BOARD = "netduinoplus2"
CORES = ("cortex-m4f", "cortex-m3", "cortex-m0plus")
GOAL_CYCLES = 8
"""Per element, where there is an FPU."""

HEADER = """
#ifndef EDGE_H
#define EDGE_H
#include "fn_model.h"
extern const fn_model edge_model;
#endif
"""
SOURCE = """
#include "edge.h"
#include "{subject}.h"
static const fn_model *const subject = &{subject}_model;
static _Alignas(4) uint8_t floats[{float_bytes}];
static fn_input given = {{ .name = "given", .bytes = {given_bytes} }};
static fn_output made = {{ .name = "made", .bytes = {made_bytes} }};
static void begin(void)
{{
    given.data = {given};
    made.data = {made};
}}
static void work(fn_observer observer, void *context)
{{
    (void)observer;
    (void)context;
    {work}
}}
const fn_model edge_model = {{
    .inputs = &given, .input_count = 1, .outputs = &made, .output_count = 1, .run = work, .reset = begin,
}};
"""
QUANTIZE = {
    "given": "floats",
    "made": "(void *)subject->inputs[0].data",
    "work": "subject->inputs[0].quantize((const float *)floats);",
}
DEQUANTIZE = {
    "given": "(void *)subject->outputs[0].data",
    "made": "floats",
    "work": "subject->outputs[0].dequantize((float *)floats);",
}


@dataclass(frozen=True)
class Call:
    """A call of one of the edges: the C of it, what it is given and what the law makes of that, as stored."""

    way: str
    c: dict[str, str]
    given: Array
    made: Array


def model(precision: str) -> Graph:
    """A small network; its first and last tensors lie channels last, as images do."""
    manual_seed(0)
    samples = np.random.default_rng(0).normal(size=(8, PLANES, SIDE, SIDE)).astype(np.float32)
    return firmnet.compile(
        nn.Conv2d(PLANES, PLANES, 1).eval(), samples, board=BOARD, precision=precision
    ).graph


def calls(graph: Graph) -> Iterator[Call]:
    """Floats to integers, of different floats, and integers to floats."""
    rng = np.random.default_rng(0)
    x, y = (graph.tensors[port.tensor] for port in (graph.inputs[0], graph.outputs[0]))
    q = x.q
    assert q
    assert y.q
    steps = rng.integers(q.dtype.low, q.dtype.high, VALUES) - q.zero_point
    floats = {
        "noise": rng.normal(size=VALUES),
        "256 levels": rng.integers(0, 256, VALUES) / 255,
        "half steps": (steps + 0.5) * q.scale[0],
    }
    for what, values in floats.items():
        real = values.astype(np.float32)
        yield Call(f"{what} to {q.dtype}", QUANTIZE, real, channels_last(quantize_input(real, q)))
    made = rng.integers(y.q.dtype.low, y.q.dtype.high + 1, VALUES).astype(y.q.dtype.numpy)
    yield Call(f"{y.q.dtype} to float", DEQUANTIZE, channels_last(made), dequantize_output(made, y.q))


def channels_last(values: Array) -> Array:
    return values.reshape(PLANES, SIDE * SIDE).T.ravel()


def costs(graph: Graph, call: Call, core: str) -> Cost:
    """Of one call; VerificationError where the law makes something else."""
    given, made = (np.frombuffer(x.tobytes(), np.uint8) for x in (call.given, call.made))
    files = dict(library(graph, isa=isa(core)).files)
    sizes = {"given_bytes": given.size, "made_bytes": made.size, "float_bytes": 4 * VALUES}
    files |= {"edge.h": HEADER, "edge.c": SOURCE.format(subject=graph.name, **call.c, **sizes)}
    image = build(Model("edge", files, (given.size,), (made.size,), ()), given, core)
    run = simulate(image, core, (made.size,), record_edges)
    if not np.array_equal(run.output, made):
        raise VerificationError(f"{call.way} on a {core}: not what the law says")
    return cost(run.regions[0].noted, lambda at: decode(image.code(at), at.address))


def main() -> None:
    print(f"{'':24}" + "".join(f"{core:>26}" for core in CORES))
    print(f"{'':24}" + f"{'instructions':>16}{'cycles':>10}" * len(CORES))
    for precision in ("int8", "int16"):
        graph = model(precision)
        for call in calls(graph):
            found = [costs(graph, call, core) for core in CORES]
            figures = (f"{one.instructions / VALUES:16.1f}{one.cycles / VALUES:10.1f}" for one in found)
            print(f"{call.way:24}" + "".join(figures), flush=True)
    print(f"per element; the goal is {GOAL_CYCLES} cycles from floats where there is an FPU")


if __name__ == "__main__":
    main()
