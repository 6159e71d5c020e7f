"""Topics: `meltwin/v1/<site>/<machine>/<kind>`, built and parsed here only (DESIGN section 7)."""

import re
from collections.abc import Collection
from typing import NamedTuple

from twin.observation import SCHEMA_VERSION

PREFIX = f"meltwin/v{SCHEMA_VERSION}"
KINDS = ("state", "build", "layer", "parameters", "plan", "signal", "frame")  # what machines say
OUT_KINDS = ("forecast", "alert", "recipe")  # what the twin says: never a command
PEOPLE_KINDS = ("ack",)  # what named people say to the twin
RETAINED = frozenset({"state", "build", "layer", "alert"})  # the newest stays with the broker for whoever comes later

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class Topic(NamedTuple):
    """The three names that a topic carries."""

    site: str
    machine: str
    kind: str


class BadTopicError(ValueError):
    """A topic that is not ours. The text says which part."""


class ForbiddenTopicError(RuntimeError):
    """This program was about to say what is not its to say: a fault in the program, and nothing was sent."""


def topic_of(site: str, machine: str, kind: str) -> str:
    """The topic for one kind of message of one machine. BadTopicError for a name that MQTT or SQL would misread."""
    return "/".join((PREFIX, *_checked(Topic(site, machine, kind), (*KINDS, *OUT_KINDS, *PEOPLE_KINDS))))


def parse_topic(topic: str) -> Topic:
    """The names in a topic that a machine says. Raises BadTopicError, whose text says what is wrong."""
    return _parsed(topic, KINDS)


def names_of(topic: str, kinds: Collection[str]) -> Topic:
    """The same for other kinds than a machine's."""
    return _parsed(topic, kinds)


def kind_of(topic: str) -> str:
    """The last level of a topic that begins as ours do; empty for any other. Says nothing of its other names."""
    return topic.rpartition("/")[2] if topic.startswith(f"{PREFIX}/") else ""


def allowed(topic: str, kinds: Collection[str]) -> str:
    """The topic, if it is one of ours and of one of these kinds; else ForbiddenTopicError. Every publisher asks."""
    try:
        _parsed(topic, kinds)
    except BadTopicError as wrong:
        raise ForbiddenTopicError(f"not published: {wrong}") from wrong
    return topic


def _parsed(topic: str, kinds: Collection[str]) -> Topic:
    parts = topic.split("/")
    if len(parts) != 5:
        raise BadTopicError(f"topic has {len(parts)} levels, not 5: {_shown(topic)}")
    if parts[0] != "meltwin":
        raise BadTopicError(f"topic does not begin with meltwin: {_shown(topic)}")
    if "/".join(parts[:2]) != PREFIX:
        raise BadTopicError(f"topic version {_shown(parts[1])} is not v{SCHEMA_VERSION}")
    return _checked(Topic(*parts[2:]), kinds)


def every_kind(site: str = "+", machine: str = "+") -> str:
    """The subscription filter for everything that machines say. One filter, so that the broker keeps one log."""
    return f"{PREFIX}/{site}/{machine}/+"


def _checked(topic: Topic, kinds: Collection[str]) -> Topic:
    for part, name in (("site", topic.site), ("machine", topic.machine)):
        if not _NAME.fullmatch(name):
            raise BadTopicError(f"{part} {_shown(name)} in the topic is not 1 to 64 of A-Z a-z 0-9 _ . -")
    if topic.kind not in kinds:
        raise BadTopicError(f"kind {_shown(topic.kind)} in the topic is none of {', '.join(kinds)}")
    return topic


def _shown(text: str) -> str:
    return ascii(text[:80])[:120]
