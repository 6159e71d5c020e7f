"""Decode: one MQTT message in, an Observation or a Rejected out. Never an exception, whatever the bytes.

The wire form is JSON, one object a message, in the schema of `ingest/schemas`. A message that cannot be read is kept
whole with the reason; the caller stores it and acknowledges it, so that one bad message never stops the stream.
"""

from collections.abc import Callable

from pydantic import TypeAdapter, ValidationError

from ingest.topics import BadTopicError, parse_topic
from twin.observation import AnyMessage, Build, Message, Observation, Parameters, Plan, Rejected, Signal

MAX_PAYLOAD_BYTES = 1 << 20
CONTENT_TYPE = "application/json"

# Beyond these a number is a fault of the sender, and would overflow in arithmetic that is right for any machine.
MAX_TIME_S = 1e10  # three hundred years
MAX_POSITION_M = 1e3
MAX_BEAM_POWER_W = 1e6
MIN_FRAME_S = 1e-7

_ADAPTER: TypeAdapter[Message] = TypeAdapter(AnyMessage)


def encode(message: Message) -> bytes:
    """The wire form. `decode` of it on the message's own topic gives an equal message back."""
    return message.model_dump_json().encode()


def decode(topic: str, payload: bytes) -> Observation | Rejected:
    """Read one message. What cannot be read comes back as Rejected with a reason of one line."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Rejected(topic, payload, f"payload of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}")
    try:
        names = parse_topic(topic)
    except BadTopicError as wrong:
        return Rejected(topic, payload, str(wrong))
    try:
        message = _ADAPTER.validate_json(payload)
    except ValidationError as wrong:
        return Rejected(topic, payload, _one_line(wrong))
    if message.kind != names.kind:  # type: ignore[attr-defined]
        return Rejected(topic, payload, f"a {message.kind} message on the topic of {names.kind}")  # type: ignore[attr-defined]
    fault = _out_of_range(message)
    if fault:
        return Rejected(topic, payload, fault)
    return Observation(names.site, names.machine, message, topic, payload)  # type: ignore[arg-type]


def _one_line(wrong: ValidationError) -> str:
    first, *rest = wrong.errors(include_url=False, include_context=False, include_input=False)
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(rest)} more)" if rest else ""
    text = f"{place}: {first['msg']}{more}" if place else f"{first['msg']}{more}"
    return " ".join(ascii(text)[1:-1].split())[:300]


def _out_of_range(message: Message) -> str | None:
    """The first number that no machine could mean, or None."""
    for what, limit, columns in _limits(message):
        for column in columns:
            if max(column) > limit or min(column) < -limit:
                return f"{what} beyond {limit:g}"
    if isinstance(message, Build) and message.frame_s < MIN_FRAME_S:
        return f"frame_s below {MIN_FRAME_S:g}"
    return None


def _limits(message: Message) -> list[tuple[str, float, list[list[float]]]]:
    reader: Callable[[Message], list[tuple[str, float, list[list[float]]]]] | None = _COLUMNS.get(type(message))
    times = [[message.time_s]] + ([[message.sent_s]] if message.sent_s is not None else [])
    limits = [("time_s", MAX_TIME_S, times)]
    return limits + reader(message) if reader else limits


_COLUMNS: dict[type[Message], Callable] = {
    Parameters: lambda m: [
        ("sample_time_s", MAX_TIME_S, [m.sample_time_s]),
        ("position", MAX_POSITION_M, [m.x_m, m.y_m, m.z_m]),
        ("beam_power_w", MAX_BEAM_POWER_W, [m.beam_power_w]),
    ],
    Plan: lambda m: [
        ("start_s", MAX_TIME_S, [m.start_s, m.dwell_s or [0.0]]),
        ("position", MAX_POSITION_M, [m.x0_m, m.y0_m, m.x1_m, m.y1_m, m.z_m]),
        ("beam_power_w", MAX_BEAM_POWER_W, [m.beam_power_w]),
    ],
    Signal: lambda m: [("sample_time_s", MAX_TIME_S, [m.sample_time_s])],
}
