"""Decode: one MQTT message in, an Observation or a Rejected out. Never an exception, whatever the bytes.

The content type says the codec (`ingest/codecs`); where a publisher could not say one (MQTT 3.1.1), the first bytes do.
A message that cannot be read is kept whole with a code and a reason; the caller stores it and acknowledges it, so that
one bad message never stops the stream.
"""

from ingest.codecs import columns, text
from ingest.codecs.fault import Fault, one_line
from ingest.topics import PREFIX, BadTopicError, parse_topic
from twin.observation import Message, Observation, Rejected

MAX_PAYLOAD_BYTES = 1 << 20


def encode(message: Message) -> bytes:
    """The wire form for people. `decode` of it on the message's own topic gives an equal message back."""
    return text.write(message)


def decode(topic: str, payload: bytes, content_type: str = "") -> Observation | Rejected:
    """Read one message. What cannot be read comes back as Rejected with a code and a reason of one line."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Rejected(topic, payload, f"payload of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}", "oversized")
    try:
        names = parse_topic(topic)
    except BadTopicError as wrong:
        other_version = topic.startswith("meltwin/v") and not topic.startswith(f"{PREFIX}/")
        return Rejected(topic, payload, str(wrong), "unknown_version" if other_version else "bad_topic")
    message = _read(payload, names.kind, (content_type or "").partition(";")[0].strip().lower())
    if isinstance(message, Fault):
        return Rejected(topic, payload, message.reason, message.code)
    return Observation(names.site, names.machine, message, topic, payload)  # type: ignore[arg-type]


def _read(payload: bytes, kind: str, content_type: str) -> Message | Fault:
    if content_type == columns.CONTENT_TYPE or (not content_type and payload.startswith(columns.MAGIC)):
        return columns.read(payload, kind)
    if not content_type or text.holds(content_type):
        return text.read(payload, kind)
    return Fault("unknown_content_type", f"no codec for the content type {one_line(content_type)}")
