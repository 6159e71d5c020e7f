"""Logs: events with fields, as lines of JSON or for a terminal, on standard error. No secret, no payload.

    {"at": "2026-11-22T02:12:00.123Z", "level": "warning", "event": "gap", "machine": "m1", "build": "b7", ...}

`at` comes from the clock port. What repeats is told once a minute, with how often it was left out (`Seldom`).
"""

import logging
import re
import sys
from collections import OrderedDict
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from twin.clock import Clock

Format = Literal["auto", "console", "json"]
Fields = MutableMapping[str, Any]
HIDDEN = "***"
EVERY_S = 60.0
MOST_KEYS = 1024
_SECRET_NAME = re.compile(r"passw|secret|token|credential|api_?key", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"(\w://[^\s:/@]*):[^\s@]+@")
_SECRET_IN_TEXT = re.compile(
    r"((?:password|passwd|secret|token)['\"]?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;'\"&]+)", re.IGNORECASE
)


def as_json(form: Format) -> bool:
    """Whether lines are JSON: `auto` writes for people only on a terminal."""
    return form == "json" or (form == "auto" and not sys.stderr.isatty())


def configure(form: Format, level: str, clock: Clock) -> None:
    """From here on `structlog.get_logger()`, and what libraries log through `logging`, go to standard error."""
    number = logging.getLevelNamesMapping()[level.upper()]

    def at(logger: Any, method: str, event: Fields) -> Fields:
        stamp = datetime.fromtimestamp(clock.now_s(), UTC).isoformat(timespec="milliseconds")
        return {"at": stamp.replace("+00:00", "Z"), "level": method, **event}

    first: list[Any] = [structlog.contextvars.merge_contextvars, at, redact]
    last = structlog.processors.JSONRenderer() if as_json(form) else _people
    structlog.configure(
        processors=[*first, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_library, *first, last]))
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def redact(logger: Any, method: str, event: Fields) -> Fields:
    """A field whose name says secret is not shown, nor a password inside a text, whatever the field."""
    return {name: HIDDEN if _SECRET_NAME.search(name) else _clean(value) for name, value in event.items()}


def without_secrets(text: str) -> str:
    """A text for people: passwords in URLs and after `password=` are hidden."""
    return _SECRET_IN_TEXT.sub(rf"\1{HIDDEN}", _SECRET_IN_URL.sub(rf"\1:{HIDDEN}@", text))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {name: HIDDEN if _SECRET_NAME.search(str(name)) else _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value if isinstance(value, int | float | bool | None) else without_secrets(str(value))


def _people(logger: Any, method: str, event: Fields) -> str:
    """`02:12:00 warning  gap  machine=m1 build=b7`. Text from outside cannot begin a line of its own."""
    fields = dict(event)
    at, level, name = (str(fields.pop(key, "")) for key in ("at", "level", "event"))
    rest = " ".join(f"{key}={value if _plain(value) else ascii(value)}" for key, value in fields.items())
    name = name if name.isprintable() else ascii(name)
    return f"{at[11:19]} {level:<8} {name}  {rest}".rstrip()


def _plain(value: Any) -> bool:
    return not isinstance(value, str) or (value.isprintable() and " " not in value)


def _library(logger: Any, method: str, event: Fields) -> Fields:
    """A line of some library's: its level and its name, and no traceback's local variables."""
    record = event.pop("_record")
    event.pop("_from_structlog", None)
    return {**event, "level": record.levelname.lower(), "library": record.name}


class _Stderr:
    """Standard error as it is at the moment: a live display may have put itself between."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Lines:
    """What structlog writes through: a method for each level, a line for each event."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a pipe that is closed, a disk that is full: no reason to stop
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


class Seldom:
    """Lets through what has not been told for `every_s`; remembers so many keys at most, the newest."""

    def __init__(self, every_s: float = EVERY_S, most: int = MOST_KEYS) -> None:
        self._every_s, self._most = every_s, most
        self._told: OrderedDict[object, tuple[float, int]] = OrderedDict()  # when, and how many were left out since

    def asks(self, key: object, now_s: float) -> int | None:
        """None: not now. Else how many with this key were left out since it was last told."""
        told_s, left_out = self._told.get(key, (-float("inf"), 0))
        if now_s - told_s < self._every_s:
            self._told[key] = (told_s, left_out + 1)
            return None
        self._told.pop(key, None)
        self._told[key] = (now_s, 0)
        if len(self._told) > self._most:
            self._told.popitem(last=False)
        return left_out
