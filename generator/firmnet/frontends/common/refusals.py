"""What stands against a model? Collected while it is read, and said all at once."""

from dataclasses import dataclass, field

from ...errors import UserError


@dataclass
class Refusals:
    """Sentences about the model as a whole, and its unsupported operators with their places.

    `reasons` continue "model 'x' …" with a verb; `operators` counts by (operator, advice), in the order of
    the model, with the place and the shapes where each was met first.
    """

    model: str
    reasons: list[str] = field(default_factory=list)
    operators: dict[tuple[str, str], tuple[int, str, str]] = field(default_factory=dict)

    def because(self, reason: str) -> None:
        self.reasons.append(reason)

    def operator(self, target: str, advice: str, place: str, shapes: str) -> None:
        times, first_place, first_shapes = self.operators.get((target, advice), (0, place, shapes))
        self.operators[target, advice] = times + 1, first_place, first_shapes

    def check(self) -> None:
        """Raise one UserError that says all of it, if there is anything to say."""
        if not self.reasons and not self.operators:
            return
        if len(self.reasons) == 1 and not self.operators:
            raise UserError(f"model {self.model!r} {self.reasons[0]}")
        lines = [f"it {reason}" for reason in self.reasons]
        lines += [_line(target, advice, *met) for (target, advice), met in self.operators.items()]
        listed = "\n".join(f"  {line}" for line in lines)
        if self.reasons:
            raise UserError(f"model {self.model!r} cannot be deployed, for {len(lines)} reasons:\n{listed}")
        operators = "operator" if len(lines) == 1 else "operators"
        raise UserError(f"model {self.model!r} has {len(lines)} unsupported {operators}:\n{listed}")


def _line(target: str, advice: str, times: int, place: str, shapes: str) -> str:
    others = f" and {times - 1} other place{'s' * (times > 2)}" if times > 1 else ""
    return f"{place}{others}: {target}{f' on {shapes}' if shapes else ''}: {advice}"
