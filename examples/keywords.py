"""Four spoken words in a stream of frames: a small network that hears one hop at a time, on SYNTHETIC speech.

    firmnet deploy examples/keywords.py:model --board BOARD --stream

What it trains on and is tested with was said by eSpeak NG, a speech synthesizer, not by people; so its
accuracy says that the way from training to board works, and nothing of how it would understand you. The
synthesizer is in the package espeakng-loader: `pip install espeakng-loader`. Voices of the test are not among
those that the network was trained on.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

WORDS = ["yes", "no", "up", "down"]
OTHERS = ["left", "right", "on", "off", "stop", "go", "one", "two", "three", "cat", "house", "seven"]
LABELS = ["nothing", *WORDS]
ACCENTS = ["en", "en-us", "en-029", "en-gb-scotland"]
SPEAKERS = ["m1", "m3", "m5", "m7", "f1", "f2", "f3", "f5"]
NEW_SPEAKERS = ["m2", "f4"]
WORDS_A_MINUTE = [130, 160, 190]

FRAMES, BANDS = 50, 20  # of 20 ms, with so much loudness in so many bands
RATE_HZ, HOP, FFT = 22_050, 441, 512
LOWEST_HZ, HIGHEST_HZ = 80.0, 7_600.0
NOISE = 0.002, 0.02  # of a loudspeaker's full swing

EPOCHS, BATCH, RATE = 5, 32, 1e-2


class Keywords(nn.Module):
    """(1, 1, 50, 20) log mel energies of a second → (1, 5) scores: nothing of interest, or one of four words.

    Nothing is padded in time, so each layer may be computed frame by frame.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hear = _block(nn.Conv2d(1, 16, (5, 5), stride=2, padding=(0, 2), bias=False))
        self.deep1, self.wide1 = _separable(16, 24, 1)
        self.deep2, self.wide2 = _separable(24, 24, 2)
        self.deep3, self.wide3 = _separable(24, 32, 2)
        self.fc = nn.Linear(32, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.hear(x)
        x = self.wide1(self.deep1(x))
        x = self.wide2(self.deep2(x))
        x = self.wide3(self.deep3(x))
        return self.fc(x.mean((2, 3)))


def _block(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU())


def _separable(channels: int, out: int, dilation: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Each channel over time and pitch, then all channels of one point."""
    deep = nn.Conv2d(
        channels, channels, 3, dilation=(dilation, 1), padding=(0, 1), groups=channels, bias=False
    )
    return _block(deep), _block(nn.Conv2d(channels, out, 1, bias=False))


class Synthesizer:
    """eSpeak NG through its C interface (speak_lib.h of its documentation). A process has one."""

    RETRIEVAL, BY_CHARACTER, RATE = 1, 1, 1

    def __init__(self) -> None:
        import espeakng_loader

        self._espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        rate_hz = self._espeak.espeak_Initialize(self.RETRIEVAL, 0, data, 0)
        if rate_hz != RATE_HZ:
            raise RuntimeError(f"eSpeak NG speaks at {rate_hz} Hz, not at {RATE_HZ}")
        self._heard: list[np.ndarray] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._listener = kind(self._listen)  # held here, for eSpeak NG keeps only its address
        self._espeak.espeak_SetSynthCallback(self._listener)
        self._espeak.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip

    def _listen(self, samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, word: str, voice: str, words_a_minute: int) -> np.ndarray:
        """Samples in −1..1, float32, of RATE_HZ, without the silence around them."""
        text = word.encode() + b"\0"
        self._heard.clear()
        if self._espeak.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"eSpeak NG has no voice {voice!r}")
        self._espeak.espeak_SetParameter(self.RATE, words_a_minute, 0)
        self._espeak.espeak_Synth(text, len(text), 0, self.BY_CHARACTER, 0, 1, None, None)
        self._espeak.espeak_Synchronize()
        samples = np.concatenate(self._heard).astype(np.float32) / 32768
        (loud,) = np.nonzero(np.abs(samples) > 0.01)
        return samples[loud[0] : loud[-1] + 1]


@cache
def the_synthesizer() -> Synthesizer:
    return Synthesizer()


def features(samples: np.ndarray) -> np.ndarray:
    """Samples in −1..1 → (frames, 20): logarithms of the energy in bands as wide as an ear's."""
    begins = np.arange(0, len(samples) - FFT + 1, HOP)
    frames = samples[begins[:, None] + np.arange(FFT)] * np.hanning(FFT)
    energy = np.abs(np.fft.rfft(frames)) ** 2
    return np.log(energy @ _bands() + 1e-4).astype(np.float32)


@cache
def _bands() -> np.ndarray:
    """(257, 20): overlapping triangles, evenly spaced on the mel scale 1127·ln(1 + f/700)."""
    mels = np.linspace(*(1127 * np.log1p(np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)), BANDS + 2)
    corners = 700 * np.expm1(mels / 1127)
    f = np.fft.rfftfreq(FFT, 1 / RATE_HZ)[:, None]
    rising = (f - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - f) / (corners[2:] - corners[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def spoken(speakers: list[str], copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds in which one word is said in noise, float32 (N, 1, 50, 20), and which of LABELS it is (N,)."""
    chance = np.random.default_rng(seed)
    synthesizer = the_synthesizer()
    heard, labels = [], []
    length = (FRAMES - 1) * HOP + FFT
    for word in [*WORDS, *OTHERS, ""]:
        for accent in ACCENTS:
            for speaker in speakers:
                for speed in WORDS_A_MINUTE:
                    said = synthesizer.say(word, f"{accent}+{speaker}", speed) if word else np.zeros(1)
                    said = said[:length]
                    for _ in range(copies * (3 if word in WORDS else 1)):
                        second = chance.normal(scale=chance.uniform(*NOISE), size=length)
                        begin = chance.integers(0, length - len(said) + 1)
                        second[begin : begin + len(said)] += said * chance.uniform(0.3, 1)
                        heard.append(features(second))
                        labels.append(LABELS.index(word) if word in WORDS else 0)
    return np.stack(heard)[:, None], np.array(labels)


def train(x: np.ndarray, y: np.ndarray) -> Keywords:
    """In eval mode; about 15 s."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    heard, labels = torch.from_numpy(x), torch.from_numpy(y)
    net = Keywords()
    optimizer = torch.optim.AdamW(net.parameters())
    steps = EPOCHS * -(-len(heard) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(heard)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(heard[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def model() -> dict[str, Any]:
    """What firmnet asks of a model file."""
    x, y = spoken(SPEAKERS, 1, seed=0)
    return {
        "module": train(x, y),
        "example": x[:1],
        "calibration": x[::16],
        "labels": LABELS,
        "test": spoken(NEW_SPEAKERS, 1, seed=1),
    }
