"""Text: JSON, one object a message, UTF-8, in the schemas of `ingest/schemas`. For people and low rates."""

from pydantic import TypeAdapter, ValidationError

from ingest.codecs.fault import Fault, of_validation
from ingest.codecs.ranges import out_of_range
from twin.observation import AnyMessage, Message

CONTENT_TYPE = "application/json"
_ADAPTER: TypeAdapter[Message] = TypeAdapter(AnyMessage)


def holds(content_type: str) -> bool:
    """Whether a content type, in lower case and without parameters, is JSON."""
    return content_type in (CONTENT_TYPE, "text/json") or content_type.endswith("+json")


def write(message: Message) -> bytes:
    """The wire form; every finite number survives it."""
    return message.model_dump_json().encode()


def read(payload: bytes, kind: str) -> Message | Fault:
    """The message, or why not. `kind` is that of the topic."""
    try:
        message = _ADAPTER.validate_json(payload, strict=True)  # a number in quotes is text
    except ValidationError as wrong:
        return of_validation(wrong, kind)
    said: str = message.kind  # type: ignore[attr-defined]
    if said != kind:
        return Fault("wrong_kind", f"a {said} message on the topic of {kind}")
    return out_of_range(message) or message
