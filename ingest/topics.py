"""Topics: `meltwin/v1/<site>/<machine>/<kind>`, built and parsed here only (DESIGN section 7)."""

import re
from typing import NamedTuple

from twin.observation import SCHEMA_VERSION

PREFIX = f"meltwin/v{SCHEMA_VERSION}"
KINDS = ("state", "build", "layer", "parameters", "plan", "signal")  # what machines say
RETAINED = frozenset({"state", "build", "layer"})  # the newest stays with the broker for whoever comes later

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class Topic(NamedTuple):
    """The three names that a topic carries."""

    site: str
    machine: str
    kind: str


class BadTopicError(ValueError):
    """A topic that is not ours. The text says which part."""


def topic_of(site: str, machine: str, kind: str) -> str:
    """The topic for one kind of message of one machine. BadTopicError for a name that MQTT or SQL would misread."""
    return "/".join((PREFIX, *_checked(Topic(site, machine, kind))))


def parse_topic(topic: str) -> Topic:
    """The names in a topic. Raises BadTopicError, whose text says what is wrong."""
    parts = topic.split("/")
    if len(parts) != 5:
        raise BadTopicError(f"topic has {len(parts)} levels, not 5: {_shown(topic)}")
    if parts[0] != "meltwin":
        raise BadTopicError(f"topic does not begin with meltwin: {_shown(topic)}")
    if "/".join(parts[:2]) != PREFIX:
        raise BadTopicError(f"topic version {_shown(parts[1])} is not v{SCHEMA_VERSION}")
    return _checked(Topic(*parts[2:]))


def every_kind(site: str = "+", machine: str = "+") -> str:
    """The subscription filter for everything that machines say. One filter, so that the broker keeps one log."""
    return f"{PREFIX}/{site}/{machine}/+"


def _checked(topic: Topic) -> Topic:
    for part, name in (("site", topic.site), ("machine", topic.machine)):
        if not _NAME.fullmatch(name):
            raise BadTopicError(f"{part} {_shown(name)} in the topic is not 1 to 64 of A-Z a-z 0-9 _ . -")
    if topic.kind not in KINDS:
        raise BadTopicError(f"kind {_shown(topic.kind)} in the topic is none of {', '.join(KINDS)}")
    return topic


def _shown(text: str) -> str:
    return ascii(text[:80])
