"""Acks: a person's acknowledgement as it comes over MQTT, on `.../<machine>/ack`, and nowhere else.

Who may write there is the broker's access list's to say (`deploy/mosquitto`): named people, no machine. A machine's own
kinds, and any command topic, acknowledge nothing.
"""

from pydantic import TypeAdapter, ValidationError

from ingest.codecs.fault import of_validation
from ingest.decode import MAX_PAYLOAD_BYTES
from ingest.topics import PEOPLE_KINDS, BadTopicError, names_of
from twin.alarms.acts import Act, BadActError
from twin.alarms.messages import AckMessage, act_of
from twin.observation import Rejected

UNKNOWN = "unknown_alert"  # the one code that only the store can tell
_ADAPTER: TypeAdapter[AckMessage] = TypeAdapter(AckMessage)


def read_ack(topic: str, payload: bytes) -> Act | Rejected:
    """The act, or the message with the reason why it is none. Never an exception."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return Rejected(topic, payload, f"payload of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}", "oversized")
    try:
        names = names_of(topic, PEOPLE_KINDS)
        act = act_of(names.machine, _ADAPTER.validate_json(payload, strict=True))
    except BadTopicError as wrong:
        return Rejected(topic, payload, str(wrong), "bad_topic")
    except ValidationError as wrong:
        fault = of_validation(wrong)
        return Rejected(topic, payload, fault.reason, fault.code)
    except BadActError as wrong:
        return Rejected(topic, payload, str(wrong), "bad_value")
    if not (act.build + act.kind).isprintable():  # no build and no alert is named so, and PostgreSQL takes no NUL
        return Rejected(topic, payload, "build and alert must be one line", "bad_value")
    return act


def unknown(topic: str, payload: bytes, act: Act) -> Rejected:
    """An acknowledgement of what was never raised."""
    which = f"{act.kind} of build {act.build!r}" + ("" if act.occurrence is None else f", occurrence {act.occurrence}")
    return Rejected(topic, payload, f"no alert {which[:200]} was raised on {act.machine}", UNKNOWN)
