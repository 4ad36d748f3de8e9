"""How does a board lie in its greeting? Other fields, all CRCs right."""

from dataclasses import replace

from firmnet.devices.frames import CRC, HELLO, Frame

FIELDS = ("fingerprint", "layer_count", "sizes", "session_before", "runs", "window", "baud")


def hello_with(frame: Frame, **changes: object) -> Frame:
    """A hello that says other fields, or other `names`."""
    asked, rest = frame.payload[: CRC.size], frame.payload[CRC.size :]
    fields = dict(zip(FIELDS, HELLO.unpack_from(rest), strict=True))
    names = changes.get("names", rest[HELLO.size :])
    fields |= {name: value for name, value in changes.items() if name in FIELDS}
    return replace(frame, payload=asked + HELLO.pack(*fields.values()) + names)  # type: ignore[operator]
