"""How does a float graph become an int8 one? Calibrate, choose scales, apply, and measure what was lost."""

from .accuracy import Accuracy, check_test, measure_accuracy, share_right
from .apply import apply
from .growth import AtEnd
from .lost import Lost, lost_events
from .observe import Asking, Histogram, Method, Progress, Ranges, calibrate
from .parts import lost_parts
from .precision import Asked, Precision, read_precision
from .quality import LayerQuality, measure, poor_layers, poor_outputs
from .quantized import Quantized, check_ranges, quantize
from .ranges import FoundRanges
from .samples import Sequences, check_samples, check_shape, per_input, read_samples
from .search import Found16, output_snr

__all__ = [
    "Accuracy",
    "Asked",
    "Asking",
    "AtEnd",
    "Found16",
    "FoundRanges",
    "Histogram",
    "LayerQuality",
    "Lost",
    "Method",
    "Precision",
    "Progress",
    "Quantized",
    "Ranges",
    "Sequences",
    "apply",
    "calibrate",
    "check_ranges",
    "check_samples",
    "check_shape",
    "check_test",
    "lost_events",
    "lost_parts",
    "measure",
    "measure_accuracy",
    "output_snr",
    "per_input",
    "poor_layers",
    "poor_outputs",
    "quantize",
    "read_precision",
    "read_samples",
    "share_right",
]
