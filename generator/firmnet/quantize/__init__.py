"""How does a float graph become an int8 one? Calibrate, choose scales, apply, and measure what was lost."""

from .apply import Quantized, apply, quantize
from .observe import Histogram, Method, Progress, Ranges, calibrate
from .quality import LayerQuality, measure, poor_layers
from .samples import check_samples, read_samples

__all__ = [
    "Histogram",
    "LayerQuality",
    "Method",
    "Progress",
    "Quantized",
    "Ranges",
    "apply",
    "calibrate",
    "check_samples",
    "measure",
    "poor_layers",
    "quantize",
    "read_samples",
]
