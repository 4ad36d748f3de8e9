"""Which options and arguments have commands in common, and what does their help say?"""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer


def byte_count(text: str) -> int:
    """ "40960" or "40K" (KB, KiB: 1,024 bytes), with M and G likewise."""
    found = re.fullmatch(r"(\d+) ?(?:([kmg])(?:i?b)?)?", text.strip().lower())
    if not found or not int(found[1]):
        raise typer.BadParameter(f"{text!r} is not a size in bytes: write it like 40960, 40K or 2M")
    return int(found[1]) << 10 * " kmg".index(found[2] or " ")


ModelArgument = Annotated[
    str,
    typer.Argument(
        help="A torch.export file (model.pt2), read as data; or file.py:function, code of yours that is run.",
        metavar="MODEL",
    ),
]
ArtifactDir = Annotated[
    Path, typer.Argument(help="The directory `firmnet generate` wrote.", metavar="ARTIFACT")
]
BoardOption = Annotated[
    str, typer.Option("--board", "-b", help="Board to build for; `firmnet boards` lists them.", metavar="ID")
]
BoardsFolder = Annotated[
    Path | None,
    typer.Option(
        "--boards",
        help="Folder of your own board files (<id>.toml); default: FIRMNET_BOARDS, else your settings.",
        metavar="DIR",
    ),
]
Calib = Annotated[
    Path | None,
    typer.Option(
        "--calib",
        help="Samples to calibrate with (.npy or .npz), of a model that remembers steps in their order; "
        "default: the model file's own.",
        metavar="FILE",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Artifact directory; default: build/<model>-<board>.", metavar="DIR"),
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Name to import on the board; default: the model's.")
]
StateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        help="An input that the model remembers, and the output it takes over, by names or numbers: h=1. May "
        "be given several times.",
        metavar="INPUT=OUTPUT",
    ),
]
RangesOption = Annotated[
    Literal["auto", "mse", "percentile", "minmax"],
    typer.Option(
        "--ranges",
        help="How ranges inside the network are chosen: minmax covers all values, percentile and mse cut "
        "rare ones off, auto takes what gives the best outputs.",
    ),
]
PrecisionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--precision",
        help="Of activations: int8 (by default, but for what a model computes from itself step by step), "
        "int16, or auto: int16 where the outputs need it; NAME=int16 for one layer, input or state. May be "
        "given several times.",
        metavar="TYPE",
    ),
]
TargetSnr = Annotated[
    float | None,
    typer.Option(
        "--target-snr",
        help="With --precision auto: the signal-to-noise that the outputs are to have; default: 30.",
        metavar="DB",
    ),
]
TargetAccuracy = Annotated[
    float | None,
    typer.Option(
        "--target-accuracy",
        help="With --precision auto: the fraction of the model's test set that is to be right (0.97).",
        metavar="FRACTION",
    ),
]
RamLimit = Annotated[
    int | None,
    typer.Option(
        "--ram-limit",
        parser=byte_count,
        help="Most RAM for activations, scratch and stack (40960 or 40K): the fastest plan within is chosen. "
        "Default: the smallest plan that costs next to no time.",
        metavar="BYTES",
    ),
]
RuntimeOption = Annotated[
    Literal["auto", "micropython", "c"],
    typer.Option(
        "--runtime",
        help="What the board runs beside the model: MicroPython with a prompt, or c, the link alone in 6 KB "
        "of flash; auto: MicroPython where it fits.",
    ),
]
StreamOption = Annotated[
    bool,
    typer.Option(
        "--stream",
        help="Give the model one hop of a signal per run in place of a window: what it needs of older frames "
        "it keeps, and its outputs are those of the last whole window.",
    ),
]
HopOption = Annotated[
    int | None,
    typer.Option(
        "--hop",
        help="With --stream: frames per run; default: the fewest that the model's strides allow.",
        metavar="FRAMES",
    ),
]
TimeAxis = Annotated[
    int | None,
    typer.Option(
        "--time-axis",
        help="With --stream: along which axis of the model's input frames follow each other, the batch being "
        "0; default: the one along which recordings are longer, or most layers work place by place.",
        metavar="AXIS",
    ),
]
AppOption = Annotated[
    Path | None,
    typer.Option(
        "--app",
        help="A Python program of yours that the board starts at boot: a file, or a folder whose main.py "
        "starts.",
        metavar="FILE",
    ),
]
Emulate = Annotated[bool, typer.Option("--emulate", help="For the board's emulator instead of a real board.")]
PortOption = Annotated[
    str | None,
    typer.Option(
        "--port",
        "-p",
        help="The board: its port by any name, its drive, serial number or place on USB (1-4), or a pyserial "
        "URL (socket://host:port); default: the only one there is.",
        metavar="PORT",
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="How to flash: stlink, dfu, sam-ba, uf2 or msd (a file copied onto its drive), pyocd, as far as "
        "the board offers it; default: its usual way.",
        metavar="WAY",
    ),
]
Inputs = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        help="Samples to verify with (.npy or .npz); default: those kept in the artifact.",
        metavar="FILE",
    ),
]
Layers = Annotated[bool, typer.Option("--layers", help="Also compare a checksum of every layer.")]
Arch = Annotated[
    str | None,
    typer.Option(
        "--arch",
        help="python: plain Python, slow, for a board of any core; default: machine code for the artifact's.",
        metavar="ARCH",
    ),
]
OwnFirmware = Annotated[
    bool,
    typer.Option(
        "--own-firmware",
        help="The board runs a program of yours with the generated files in it: its flash is not compared.",
    ),
]
FromStep = Annotated[
    int,
    typer.Option(
        "--from-step",
        min=0,
        help="Of a model that remembers: begin with what it remembers after so many steps.",
        metavar="N",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, everything else on stderr.")
]
