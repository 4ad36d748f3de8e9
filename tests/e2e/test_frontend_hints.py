"""Does every piece of advice work? Applied to its own examples: refused before, imported after, the same."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.frontends.torch.hints import HINTS, Example, Hint, Network, hint
from firmnet.interpret import run_float
from firmnet.passes import optimize

EXAMPLES = [
    pytest.param(hint, example, id=f"{hint.operators[0]}-{number}")
    for hint in HINTS
    for number, example in enumerate(hint.examples)
]


def network(function: object) -> nn.Module:
    module = function if isinstance(function, nn.Module) else Network(function)  # type: ignore[arg-type]
    return module.eval()


@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.operators[0])
def test_every_hint_has_an_example(hint: Hint) -> None:
    assert hint.examples


def test_no_operator_has_two_hints() -> None:
    operators = [operator for hint in HINTS for operator in hint.operators]
    assert len(operators) == len(set(operators))


@pytest.mark.parametrize(("hint", "example"), EXAMPLES)
def test_what_is_refused_shows_the_advice(hint: Hint, example: Example) -> None:
    with pytest.raises(UserError) as caught:
        load(network(example.before), example=torch.zeros(example.shape))
    lines = [line for line in str(caught.value).splitlines() if hint.advice in line]
    assert lines
    named = re.compile(rf"\b_*({'|'.join(hint.operators)})\b")
    assert any(named.search(line.replace(".", " ").replace("aten ", "")) for line in lines)


@pytest.mark.parametrize(("hint", "example"), EXAMPLES)
def test_advice_that_is_followed_imports_and_computes_the_same(hint: Hint, example: Example) -> None:
    x = torch.randn(example.shape, generator=torch.Generator().manual_seed(0))
    given, after = example.given(x), network(example.after)
    graph = optimize(load(after, example=given).graph)
    with torch.no_grad():
        expected, rewritten = network(example.before)(x.clone()), after(given.clone())
        computed = example.outside(torch.from_numpy(run_float(graph, given.numpy())).float())
    np.testing.assert_allclose(run_float(graph, given.numpy()), rewritten.numpy(), rtol=1e-4, atol=1e-5)
    assert computed.shape == expected.shape
    if not example.trained_again:
        np.testing.assert_allclose(computed.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_an_operator_without_a_hint_is_pointed_to_the_list() -> None:
    assert "README" in hint("aten.lgamma.default")
