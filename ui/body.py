"""Body: what a request says, as JSON, and no more of it than is good."""

import json
from typing import Any

from fastapi import Request

MOST_BYTES = 65_536


class TooLongError(ValueError):
    """More was said than is read."""


class NotJsonError(ValueError):
    """What was said is no JSON object."""


async def said(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises `TooLongError`, `NotJsonError`."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise TooLongError("That is too long.")
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise NotJsonError("A JSON object is wanted.")
    try:
        found = json.loads(body)
    except ValueError:
        raise NotJsonError("A JSON object is wanted.") from None
    if not isinstance(found, dict):
        raise NotJsonError("A JSON object is wanted.")
    return found
