"""What can run a model? Everything here meets one Protocol, so a test does not know which it holds."""

from .device import Counters, Device, Progress, RunResult

__all__ = ["Counters", "Device", "Progress", "RunResult"]
