"""How does the DSP extension enlarge an image between its values? Between two rows, then between columns."""

import numpy as np

from ...ir import Array, Call
from ...ops.spec import Constants
from ...targets import Isa
from ..portable import interpolate as portable
from ..spec import register


class Interpolate(portable.Interpolate):
    """A line of the input's width between two of its rows is in scratch, as int32."""

    isa = Isa.DSP

    def cycles(self, call: Call) -> float:
        _, _, width, channels = call.inputs[0].shape
        height, out_width = call.attrs.size
        pixel = 12 + (8.0 if channels >= 16 else 7.6) * channels
        return float(60 + height * (60 + 4.9 * width * channels + pixel * out_width))

    def scratch_bytes(self, call: Call) -> int:
        _, _, width, channels = call.inputs[0].shape
        return int(4 * width * channels)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        """Columns by where their values begin in a line."""
        channels = call.output.shape[3]
        return {"rows": k["rows"], "columns": k["columns"] * np.array([channels, channels, 1], np.int32)}


register(Interpolate())
