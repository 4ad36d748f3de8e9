"""How does plain C compute the logarithm of a softmax? Lane by lane: the largest value, the sum, the rest."""

from ...ir import Array, Call, Dtype
from ...ops.spec import Constants
from ..spec import Kernel, register
from .movement import COMPILER_UNROLLS
from .softmax import Lanes, ascending, lanes


class LogSoftmax(Kernel):
    op = "log_softmax"
    dtypes = (Dtype.INT8, Dtype.INT16)

    def cycles(self, call: Call) -> float:
        found = lanes(call)
        unrolled = found.n <= COMPILER_UNROLLS
        each = (24 if unrolled else 42) if call.inputs[0].dtype is Dtype.INT8 else 45 if unrolled else 54
        return 30 + found.outer * found.inner * (190 + each * found.n)

    def overlap(self, call: Call) -> tuple[int | None, ...]:
        return (0 if lanes(call).inner == 1 and call.inputs[0].dtype is call.output.dtype else None,)

    def pack(self, call: Call, k: Constants) -> dict[str, Array]:
        return {"exponentials": ascending(k)} if "exponentials" in k else super().pack(call, k)

    def layout(self, call: Call, k: Constants) -> Lanes:
        return lanes(call)


register(LogSoftmax())
