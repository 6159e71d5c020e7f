"""Cookie: a session as a signed text. Who does not know the key can neither make one nor change one.

    <body>.<HMAC-SHA256 of "meltwin session 1" and body>    both base64url; body: JSON [id, name, epoch, begun, until]

It says nothing secret and nothing that is believed beyond its end: the account must still be of this epoch, and the id
must not have been signed out (`ui.access.roll`).
"""

import binascii
import hashlib
import hmac
import json
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MOST_S = 30 * 86_400.0  # no session is longer than this, however often it is renewed
_MOST_BYTES = 1024
_PURPOSE = b"meltwin session 1\0"


class KeyFileError(Exception):
    """The key's file cannot be used; the text says what to do."""


@dataclass(frozen=True)
class Session:
    """One sign-in in one browser; times are UTC seconds."""

    id: str
    name: str
    epoch: int
    begun_s: float
    until_s: float


class Signer:
    """Makes and reads cookies with one key of 32 bytes or more."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise KeyFileError("the key of the sessions is shorter than 32 bytes")
        self._key = key
        # cookies are shared by all ports of a host: each server has its own name for its own
        self.cookie_name = "meltwin-" + hashlib.sha256(b"name\0" + key).hexdigest()[:8]

    def begin(self, name: str, epoch: int, now_s: float, session_s: float) -> Session:
        """A new session of this person."""
        return Session(secrets.token_urlsafe(16), name, epoch, now_s, now_s + min(session_s, MOST_S))

    def renewed(self, session: Session, now_s: float, session_s: float) -> Session | None:
        """The same session, longer; None while more than half of it is left, or where it has come to its longest."""
        until_s = min(now_s + session_s, session.begun_s + MOST_S)
        if session.until_s - now_s > session_s / 2 or until_s <= session.until_s:
            return None
        return Session(session.id, session.name, session.epoch, session.begun_s, until_s)

    def sign(self, session: Session) -> str:
        """The cookie's text."""
        fields = [session.id, session.name, session.epoch, session.begun_s, session.until_s]
        body = _text(json.dumps(fields).encode())
        return (body + b"." + self._mark(body)).decode()

    def read(self, text: str, now_s: float) -> Session | None:
        """The session, if we signed exactly this text and its time has not come; anything else is None."""
        said = text.encode("utf-8", "replace")
        body, dot, mark = said.partition(b".")
        if len(said) > _MOST_BYTES or not dot or not hmac.compare_digest(mark, self._mark(body)):
            return None
        try:
            session = Session(*json.loads(urlsafe_b64decode(body + b"=" * (-len(body) % 4))))
        except (ValueError, TypeError, binascii.Error):  # signed by an older program with another form
            return None
        return session if session.begun_s - 60.0 <= now_s < session.until_s else None

    def _mark(self, body: bytes) -> bytes:
        return _text(hmac.new(self._key, _PURPOSE + body, hashlib.sha256).digest())


def _text(plain: bytes) -> bytes:
    """Base64url without the padding, which a cookie would have to quote."""
    return urlsafe_b64encode(plain).rstrip(b"=")


def key_in(path: Path) -> bytes:
    """The key in this file, made where there is none; only its owner may read it. Raises `KeyFileError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _made(path)
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"others may read {path}: `chmod 600` it, or delete it, which ends all sessions")
        key = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot keep the sessions' key in {path}: {error.strerror}") from error
    if len(key) < 32:
        raise KeyFileError(f"{path} is no key: delete it, which ends all sessions")
    return key


def _made(path: Path) -> None:
    """Whole or not at all, also when two programs start at once."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
