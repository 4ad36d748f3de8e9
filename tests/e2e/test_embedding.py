"""Do models of whole numbers (words, sensors' states) work from PyTorch to the prompt?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from prompt import Prompt, prompt_of
from torch import Tensor, nn

import firmnet
from firmnet.artifact import Artifact
from firmnet.errors import UserError
from firmnet.frontends import load
from firmnet.ir import Dtype
from firmnet.passes import optimize
from firmnet.quantize import quantize

ROWS = 300


class Words(nn.Module):
    """Six numbers of words beside three real values."""

    def __init__(self, count: int = ROWS) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.head = nn.Embedding(count, 8, padding_idx=0), nn.Linear(51, 3)

    def forward(self, words: Tensor, values: Tensor) -> Tensor:
        rows = torch.relu(self.table(words.long())).flatten(1)
        return self.head(torch.cat([rows, values], 1))


def example(dtype: torch.dtype = torch.int64) -> tuple[Tensor, Tensor]:
    return torch.arange(6).reshape(1, 6).to(dtype), torch.zeros(1, 3)


def samples(count: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, count, (16, 6)), rng.normal(size=(16, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> firmnet.Deployment:
    network = Words().eval()
    made = firmnet.compile(network, samples(), board="netduinoplus2", name="words", example=example())
    made.build(tmp_path_factory.mktemp("words") / "words", emulate=True)
    return made


@pytest.fixture(scope="module")
def prompt(deployed: firmnet.Deployment) -> Iterator[Prompt]:
    assert isinstance(deployed.artifact, Artifact)
    with prompt_of(deployed.artifact) as prompt:
        prompt("import words, array")
        yield prompt


@pytest.mark.parametrize(
    ("count", "given", "kind"),
    [
        (256, torch.int64, Dtype.UINT8),
        (257, torch.int32, Dtype.INT16),
        (40_000, torch.int64, Dtype.INT32),
        (50, torch.uint8, Dtype.UINT8),
    ],
)
def test_an_input_of_numbers_is_of_the_smallest_type(count: int, given: torch.dtype, kind: Dtype) -> None:
    graph = optimize(load(Words(count).eval(), name="words", example=example(given)).graph)
    integer = quantize(graph, samples(count)).graph
    q = integer.tensors[integer.inputs[0].tensor].q
    assert (q.dtype, q.scale, q.zero_point) == (kind, (1.0,), 0)


@pytest.mark.parametrize("device", ["host", "core", "qemu"])
def test_is_bit_exact_on_numbers_of_any_integer_type(deployed: firmnet.Deployment, device: str) -> None:
    words, values = samples()
    assert deployed.verify(device=device, layers=True).ok
    assert deployed.verify((words, values), device=device).ok
    assert deployed.verify((words.astype(np.float32), values), device=device).ok


@pytest.mark.parametrize("wrong", [ROWS, -1, 2.5])
def test_numbers_without_a_row_are_refused(deployed: firmnet.Deployment, wrong: float) -> None:
    words, values = samples()
    odd = words.astype(np.float32)
    odd[3, 2] = wrong
    with pytest.raises(UserError, match=rf"sample 3 holds {wrong:g}, .* has rows 0 to {ROWS - 1}"):
        deployed.verify((odd, values))
    with pytest.raises(UserError, match="sample 3 holds"):
        firmnet.compile(Words().eval(), (odd, values), board="netduinoplus2", example=example())


def test_predicts_from_numbers_at_the_prompt(prompt: Prompt) -> None:
    values = "array.array('f',[0.5,-1,0.25])"
    by_type = prompt(f"words.predict(array.array('h',[7,299,0,1,2,150]),{values})")
    by_list = prompt(f"words.predict([7,299,0,1,2,150],{values})")
    assert by_type == by_list
    network = Words().eval()
    with torch.no_grad():
        scores = network(torch.tensor([[7, 299, 0, 1, 2, 150]]), torch.tensor([[0.5, -1, 0.25]]))
    label = int(by_type.strip("()").split(",")[0].strip("' "))
    assert label == int(scores.argmax())


def test_numbers_beyond_the_table_get_its_ends_on_the_board(prompt: Prompt) -> None:
    values = "[0,0,0]"
    beyond = prompt(f"words.predict([-5,3000,0,1,2,3],{values})")
    ends = prompt(f"words.predict([0,{ROWS - 1},0,1,2,3],{values})")
    assert beyond == ends


def test_an_input_that_is_also_reckoned_with_is_refused() -> None:
    class Reckoned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2.5

    with pytest.raises(UserError, match="is int64: firmnet takes float32, but for numbers that an embedding"):
        load(Reckoned(), example=torch.zeros(1, 3, dtype=torch.int64))


class Columns(nn.Module):
    """Categories beside each other, each with a table of its own, and all in one table by their offsets.

    A label and a gain are a number in each sample.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tables = nn.ModuleList(nn.Embedding(rows, 3) for rows in (4, 300, 9))
        self.label, self.head = nn.Embedding(5, 9), nn.Linear(9, 2)
        self.wide = nn.EmbeddingBag(313, 2, mode="sum")
        self.register_buffer("offsets", torch.tensor([0, 4, 304]))

    def forward(self, categories: Tensor, label: Tensor, gain: Tensor) -> Tensor:
        rows = torch.cat([table(categories[:, i]) for i, table in enumerate(self.tables)], 1)
        return (self.head(rows * self.label(label)) + self.wide(categories + self.offsets)) * gain[:, None]


def columns() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    gains = rng.uniform(0.5, 2, 16).astype(np.float32)
    return rng.integers(0, (4, 300, 9), (16, 3)), rng.integers(0, 5, 16), gains


def test_each_column_has_the_rows_of_its_own_table(tmp_path: Path) -> None:
    given = columns()
    example = tuple(x[:1] for x in given)
    made = firmnet.compile(Columns().eval(), given, board="nucleo_f446re", name="columns", example=example)
    assert made.graph.tensors[made.graph.inputs[0].tensor].dtype is Dtype.INT16
    made.save(tmp_path / "columns")
    assert made.verify(device="host", layers=True).ok
    assert made.verify(given).ok
    given[0][3, 2] = 9
    with pytest.raises(UserError, match=r"sample 3 holds 9, .* has rows 0 to 8"):
        made.verify(given)
