"""Is every model that cannot be imported refused in one clear sentence?"""

from pathlib import Path

import pytest
import torch
from torch import nn

from firmnet.errors import UserError
from firmnet.frontends import load


def refusal(*arguments: object, **options: object) -> str:
    """The one sentence (or one line per operator) that loading ends in."""
    with pytest.raises(UserError) as caught:
        load(*arguments, **options)
    return str(caught.value)


class Forward(nn.Module):
    """A module made of one function."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(self.fc(x))  # type: ignore[operator]


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool1d(1, return_indices=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, places = self.pool(x)
        return torch.lgamma(torch.digamma(y * places)).logcumsumexp(1)


class TwoInputs(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class Batches(nn.Module):
    """Reads and changes the counter of its own batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.norm.num_batches_tracked += 1
        return self.norm(x) * self.norm.num_batches_tracked


class Runs(nn.Module):
    """Remembers in Python how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.runs = nn.Linear(4, 4), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return self.fc(x) * self.runs


class Limited(nn.Module):
    """Makes its own weights smaller in every run."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.fc, self.factor = nn.Linear(4, 4), factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.fc.weight.data = self.fc.weight.data * self.factor
        return self.fc(x)


class Derivative(nn.Module):
    """Of its own output by its input, as autograd computes it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.requires_grad_(True)
            return torch.autograd.grad(self.fc(x).tanh().sum(), x)[0]


class SmallOutputs(nn.Module):
    """What torch.export changes of it is far below 1, and so is all that it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.dropout, self.clamp = nn.Linear(4, 4), nn.Dropout(), nn.Hardtanh(0, 1, inplace=True)
        nn.init.constant_(self.fc.weight, 1e-4)
        nn.init.constant_(self.fc.bias, -1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x)
        return y + self.clamp(self.dropout(y))


class BehindDropout(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.dropout(x, 0.5, self.training)
        return torch.relu_(y) + x


class Packs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 3, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5]), batch_first=True)
        last: torch.Tensor = self.gru(packed)[1][-1]
        return last


class Decodes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerDecoderLayer(4, 2, 8, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.decoder(x, x, tgt_mask=nn.Transformer.generate_square_subsequent_mask(5))
        return y


def test_all_unsupported_operators_are_named_at_once() -> None:
    lines = refusal(Unsupported(), example=torch.zeros(1, 5, 8)).splitlines()
    assert lines[0] == "model 'unsupported' has 4 unsupported operators:"
    assert [line.split(" on ")[0].strip() for line in lines[1:]] == [
        "pool: aten.max_pool1d_with_indices.default",
        "test_frontend_errors.py, line 39: aten.digamma.default",
        "test_frontend_errors.py, line 39: aten.lgamma.default",
        "test_frontend_errors.py, line 39: aten.logcumsumexp.default",
    ]
    assert all("(1, 5, 8)" in line for line in lines[1:])
    assert "README" in lines[3]


@pytest.mark.parametrize(
    ("module", "example", "said"),
    [
        (TwoInputs(), torch.zeros(1, 3), "give a tensor for each of its inputs, e.g. as a tuple (x, y)"),
        (TwoInputs(), (torch.zeros(1, 3),) * 3, "too many positional arguments"),
        (nn.Linear(3, 2), None, "without an example input"),
        (nn.Linear(3, 2), "x", "is a str: give one float32 tensor"),
        (Forward(lambda y: y * 2.5), torch.zeros(1, 3, dtype=torch.int64), "is int64: firmnet takes float32"),
        (nn.Linear(3, 2), torch.zeros(1, 3, dtype=torch.uint8), "is uint8: firmnet takes float32"),
        (nn.Linear(3, 2), torch.zeros(1, 3, dtype=torch.bool), "is bool: firmnet takes float32"),
        (nn.Linear(3, 2), torch.zeros(3), "shape (3,): give a batch of one"),
        (nn.Linear(3, 2).double(), torch.zeros(1, 3), "'weight' is float64: call model.float() first"),
        (nn.Linear(3, 2).half(), torch.zeros(1, 3), "'weight' is float16: call model.float() first"),
        (nn.Linear(3, 2), torch.zeros(1, 4), "torch.export cannot follow model 'linear' on an input (1, 4)"),
        (Forward(lambda y: 3), torch.zeros(1, 4), "returns a value that is not a tensor"),
        (nn.Dropout(), torch.zeros(1, 4), "computes nothing from its input"),
        (Forward(lambda y: ()), torch.zeros(1, 4), "returns no tensor"),
        (Forward(lambda y: y.double()), torch.zeros(1, 4), "returns float64"),
        (Forward(lambda y: torch.ones(1, 4)), torch.zeros(1, 4), "computes nothing from its input"),
        (Forward(lambda y: (3, torch.ones(1, 4))), torch.zeros(1, 4), "computes nothing from its input"),
        (Batches(), torch.zeros(1, 4), "change no statistics in forward"),
        (Limited(0.9), torch.zeros(1, 4), "changes its parameter 'fc.weight' while it runs"),
        (Runs(), torch.zeros(1, 4), "gives two answers for one input"),
        (BehindDropout(), torch.zeros(1, 4), "inplace=True"),
        (SmallOutputs(), torch.zeros(1, 4), "inplace=True"),
        (Derivative(), torch.zeros(1, 4), "write out what it computes, a derivative too"),
        (nn.LazyLinear(3), torch.zeros(1, 4), "has no size yet"),
        (nn.Linear(4, 4, device="meta"), torch.zeros(1, 4), "without values"),
        (
            torch.jit.trace(nn.Linear(4, 4), torch.zeros(1, 4), check_trace=False),
            torch.zeros(1, 4),
            "is TorchScript",
        ),
        (torch.jit.script(nn.Linear(4, 4)), torch.zeros(1, 4), "is TorchScript"),
        (
            nn.Sequential(Forward(lambda y: y if y.sum() > 0 else -y)),
            torch.zeros(1, 4),
            "what it does next depends on a value that it computes (test_frontend_errors.py, line",
        ),
        (Packs(), torch.zeros(1, 5, 4), "packs its sequences (test_frontend_errors.py, line"),
        (Decodes(), torch.zeros(1, 5, 4), "tell it: tgt_is_causal=True"),
    ],
    ids=str,
)
def test_a_module_that_does_not_fit_is_refused(module: nn.Module, example: object, said: str) -> None:
    message = refusal(module, example=example)
    assert said in message
    assert "\n" not in message


def test_everything_that_stands_against_a_model_is_said_at_once() -> None:
    module = Forward(lambda y: (torch.lgamma(y), torch.digamma(y), torch.polygamma(1, y), y.double()))
    module.fc.weight.data[0, 0] = float("nan")
    head, *lines = refusal(module, example=torch.zeros(1, 4)).splitlines()
    assert head == "model 'forward' cannot be deployed, for 5 reasons:"
    told = ["'fc.weight'", "float64", "aten.lgamma", "aten.digamma", "aten.polygamma"]
    for line, said in zip(lines, told, strict=True):
        assert said in line


def test_an_operator_that_comes_two_hundred_times_is_one_line() -> None:
    module = Forward(lambda y: [y := torch.lgamma(y) for _ in range(200)][-1])
    head, line = refusal(module, example=torch.zeros(1, 4)).splitlines()
    assert "1 unsupported operator" in head
    assert "test_frontend_errors.py, line " in line
    assert "and 199 other places: aten.lgamma.default on (1, 4): firmnet has no such" in line


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda y: y + torch.rand(4), "aten.rand.default: it draws random numbers"),
        (lambda y: y + torch.rand_like(y), "aten.rand_like.default on (1, 4): it draws random numbers"),
        (
            lambda y: nn.functional.scaled_dot_product_attention(y, y, y, dropout_p=0.5),
            "aten.scaled_dot_product_attention.default on (1, 4): its dropout is on",
        ),
        (lambda y: torch.nn.functional.dropout(y), "training=self.training"),
        (lambda y: torch.fft.fft(y).real, "aten.fft_fft.default"),
        (lambda y: y * float("nan"), "NaN or infinite"),
        (lambda y: y[:, :0], "empty"),
        (lambda y: y[y > 0], "size depends on the data"),
        (lambda y: torch.cond(y.sum() > 0, torch.neg, torch.relu, (y,)), "cond on"),
        (lambda y: y.half().float(), "conversion to torch.float16"),
        (lambda y: torch.zeros(2**27) + y.sum(), "too large"),
    ],
    ids=range(11),
)
def test_what_a_layer_cannot_be_made_of_is_refused(
    function: object, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(Forward(function), example=torch.zeros(1, 4))
    assert capfd.readouterr() == ("", "")


def test_a_negative_variance_is_named() -> None:
    module = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3))
    module[1].running_var[1] = -0.5
    assert "1: " in refusal(module, example=torch.zeros(1, 1, 4, 4))
    assert "running variance is -0.5 in channel 1" in refusal(module, example=torch.zeros(1, 1, 4, 4))


def test_one_unsupported_operator_is_one_operator() -> None:
    assert "has 1 unsupported operator:" in refusal(Forward(torch.lgamma), example=torch.zeros(1, 4))


def test_weights_that_are_not_finite_are_refused() -> None:
    module = nn.Linear(3, 2)
    module.weight.data[0, 0] = float("nan")
    assert "holds 'weight', which contains NaN" in refusal(module, example=torch.zeros(1, 3))


@pytest.mark.parametrize("name", ["Digits", "2fast", "class", "a-b", ""])
def test_a_name_python_cannot_import_is_refused(name: str) -> None:
    assert "cannot be imported on the board" in refusal(nn.Linear(3, 2), name=name, example=torch.zeros(1, 3))


def export(path: Path, module: nn.Module, shape: tuple[int, ...], **options: object) -> Path:
    torch.export.save(torch.export.export(module, (torch.zeros(shape),), **options), path)
    return path


def test_pt2_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    fc = nn.Linear(3, 2).eval()
    batch = export(tmp_path / "batch.pt2", fc, (8, 3))
    assert "has shape (8, 3): export with an example of batch 1" in refusal(str(batch))
    dynamic = export(
        tmp_path / "dynamic.pt2", fc, (8, 3), dynamic_shapes={"input": {0: torch.export.Dim("n")}}
    )
    assert "without dynamic_shapes" in refusal(dynamic)
    training = export(
        tmp_path / "training.pt2", nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), (1, 1, 3, 3)
    )
    assert "model.eval()" in refusal(training)


def test_files_that_are_no_archive_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.pt2").write_text("hello")
    torch.save(nn.Linear(3, 2), tmp_path / "pickle.pt2")
    for name in ("text.pt2", "pickle.pt2"):
        assert "torch.export.save(torch.export.export(" in refusal(tmp_path / name)
    assert "there is no file" in refusal(tmp_path / "missing.pt2")
    assert capfd.readouterr() == ("", "")


NET = "import torch\ndef model(): return {'module': torch.nn.Linear(3, 2), 'example': torch.zeros(1, 3)"


@pytest.mark.parametrize(
    ("text", "source", "said"),
    [
        ("", "missing.py:model", "there is no file"),
        ("", "net.py", "give a .pt2 file or file.py:function"),
        ("def modle(): pass", "net.py:model", "has no function 'model': it defines modle"),
        ("1 / 0", "net.py:model", "cannot be imported: line 1: ZeroDivisionError"),
        ("\n\ndef model(:", "net.py:model", "cannot be imported: line 3: SyntaxError"),
        ("raise SystemExit(3)", "net.py:model", "cannot be imported: line 1: SystemExit: 3"),
        ("import nothing_of_that_name", "net.py:model", "No module named 'nothing_of_that_name'"),
        ("def model():\n  raise OSError('no data')", "net.py:model", "failed: line 2: OSError: no data"),
        ("def model(x): pass", "net.py:model", "missing 1 required positional argument"),
        ("def model(): return 3", "net.py:model", "returned a int"),
        ("def model(): return {'modul': 3}", "net.py:model", "unknown key 'modul'"),
        ("def model(): return 3, 4", "net.py:model", "gives a int as its module"),
        (f"{NET}, 'labels': 5}}", "net.py:model", "labels is a int: give one name per class"),
        (
            f"{NET}, 'test': ([[0.0] * 3], ['cat'])}}",
            "net.py:model",
            "equally many samples and class numbers",
        ),
        (f"{NET}, 'test': 3}}", "net.py:model", "equally many samples and class numbers"),
    ],
)
def test_a_python_file_that_does_not_fit_is_refused(
    tmp_path: Path, text: str, source: str, said: str
) -> None:
    (tmp_path / "net.py").write_text(text)
    message = refusal(f"{tmp_path}/{source}")
    assert said in message
    assert "\n" not in message


def test_anything_else_is_refused() -> None:
    assert "is not a model" in refusal(3)
    assert "cannot tell what model 'resnet' is" in refusal("resnet")
