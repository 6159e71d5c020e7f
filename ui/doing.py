"""Doing: what a person does on a page: one POST of JSON to `/do/NAME`, and one short answer.

    200  done; the answer is JSON
    401  nobody signed in, or 403: another host's page (both by `ui.access.guard`), or a role that may not
    413, 415, 422  too long, not JSON, or refused: the text is for the person
    503  the store does not take it now

Who did it is the guard's word; only where nobody signs in does a person say their own name (`by`).
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from twin.alarms.acts import BadActError
from twin.people import PeopleError
from twin.store.port import AlertUnknownError, StoreError
from ui.access.roles import Act
from ui.access.who import Who, need
from ui.body import NotJsonError, TooLongError, said
from ui.desk import Desk

Said = dict[str, Any]
_log = logging.getLogger(__name__)


class RefusedError(ValueError):
    """What was asked cannot be done; the text is for the person."""


@dataclass(frozen=True)
class Doing:
    """Something that may be done: `do` gets the desk, the name of who does it, and what was said; it gives JSON."""

    name: str
    act: Act
    do: Callable[[Desk, str, Said], Said]


def mount_doings(server: FastAPI, doings: Iterable[Doing], desk: Desk) -> None:
    """Serve each at `/do/NAME`."""
    known = {doing.name: doing for doing in doings}

    @server.post("/do/{name}")
    async def do(name: str, request: Request) -> Response:
        doing = known.get(name)
        if doing is None:
            return PlainTextResponse(f"There is nothing called {name!r} to do.", 404)
        person = need(doing.act)
        try:
            words = await said(request)
            done = await run_in_threadpool(doing.do, desk, name_of(person, words), words)
        except TooLongError as error:
            return PlainTextResponse(str(error), 413)
        except NotJsonError as error:
            return PlainTextResponse(str(error), 415)
        except (RefusedError, BadActError, PeopleError, AlertUnknownError) as error:
            return PlainTextResponse(str(error), 422)
        except (StoreError, SQLAlchemyError) as error:
            _log.warning("%s failed: %s", name, error)
            return PlainTextResponse(f"The store does not take it now: {str(error).splitlines()[0]}", 503)
        return JSONResponse(done)


def name_of(person: Who, said: Said) -> str:
    """Under which name an act is kept. Raises `RefusedError` where nobody signs in and no name was given."""
    if person.by != "nobody":
        return person.name
    by = text(said, "by", most=64)
    if not by:
        raise RefusedError("Say who you are: nobody signs in here.")
    return by


def text(said: Said, key: str, *, most: int = 500, default: str = "") -> str:
    """A line of text that was said. Raises `RefusedError` for what is none, or too long."""
    value = said.get(key, default)
    if not isinstance(value, str) or len(value) > most or not value.replace("\n", " ").isprintable():
        raise RefusedError(f"{key} must be a text of at most {most} characters")
    return value.strip()


def number(said: Said, key: str, *, low: float, high: float, name: str = "") -> float:
    """A number that was said. Raises `RefusedError` for what is none, or not between `low` and `high`; `name`: as its
    form calls it."""
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RefusedError(f"{name or key} must be a number from {low:g} to {high:g}")
    return float(value)
