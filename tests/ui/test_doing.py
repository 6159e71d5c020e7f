"""Doing: who may, what is refused and how, and whose name is kept."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from fastapi import FastAPI

from twin.alarms.acts import BadActError
from twin.store.fake.store import FakeStore
from twin.store.port import StoreUnavailableError
from ui.access.guard import guard
from ui.access.who import LOCAL, Who
from ui.body import MOST_BYTES
from ui.desk import Desk
from ui.doing import Doing, RefusedError, mount_doings, name_of, number, text

Running = Callable[[Any], str]


@dataclass
class Client:
    """Says things to a server, as a page of its own host does."""

    address: str

    def post(self, path: str, content: bytes, *, kind: str = "application/json", origin: str | None = "") -> Any:
        headers = {"Content-Type": kind} | ({} if origin is None else {"Origin": origin or self.address})
        try:
            with urlopen(Request(self.address + path, content, headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()


def client(running: Running, raises: Exception | None = None) -> Client:
    def do(desk: Desk, by: str, said: dict[str, Any]) -> dict[str, Any]:
        if raises is not None:
            raise raises
        return {"by": by, "said": said, "open": desk.store is not None}

    server = FastAPI()
    mount_doings(server, [Doing("note", "note", do)], Desk.over(FakeStore()))
    guard(server, None, ("127.0.0.1",))
    return Client(running(server))


def test_what_is_said_is_done_under_the_name_that_was_given(running: Running) -> None:
    status, text = client(running).post("/do/note", b'{"by": "Ada", "words": "x"}')
    assert status == 200
    assert json.loads(text) == {"by": "Ada", "said": {"by": "Ada", "words": "x"}, "open": True}


@pytest.mark.parametrize("origin", [None, "http://elsewhere"])
def test_another_hosts_page_does_nothing(running: Running, origin: str | None) -> None:
    assert client(running).post("/do/note", b'{"by": "Ada"}', origin=origin)[0] == 403


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 422),  # nobody says who he is
        (b"[1]", "application/json", 415),
        (b"{", "application/json", 415),
        (b'{"by": "Ada"}', "text/plain", 415),
        (b'{"by": "' + b"a" * MOST_BYTES + b'"}', "application/json", 413),
        (b'{"by": 7}', "application/json", 422),
    ],
)
def test_what_cannot_be_read_is_refused(running: Running, content: bytes, kind: str, status: int) -> None:
    answered, words = client(running).post("/do/note", content, kind=kind)
    assert answered == status
    assert words


@pytest.mark.parametrize(
    ("raised", "status"),
    [(RefusedError("no"), 422), (BadActError("say why"), 422), (StoreUnavailableError("away\nmore"), 503)],
)
def test_a_refusal_reaches_the_person_in_words(running: Running, raised: Exception, status: int) -> None:
    answered, words = client(running, raised).post("/do/note", b'{"by": "Ada"}')
    assert answered == status
    assert str(raised).splitlines()[0] in words
    assert "more" not in words


def test_what_is_not_there_cannot_be_done(running: Running) -> None:
    assert client(running).post("/do/nothing", b'{"by": "Ada"}')[0] == 404


def test_a_signed_in_person_acts_under_their_own_name() -> None:
    assert name_of(Who("ada", "operator", "password"), {"by": "somebody else"}) == "ada"
    assert name_of(LOCAL, {"by": " Ada "}) == "Ada"


def test_a_viewer_may_not(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.access.guard.LOCAL", Who("eve", "viewer", "password"))
    status, words = client(running).post("/do/note", b"{}")
    assert status == 403
    assert "needs the role operator; you are viewer" in words


@pytest.mark.parametrize("value", [None, True, "7", float("nan"), 11])
def test_a_number_is_one_and_within_its_range(value: object) -> None:
    with pytest.raises(RefusedError, match="minutes must be a number from 0 to 10"):
        number({"minutes": value}, "minutes", low=0, high=10)
    assert number({"minutes": 7}, "minutes", low=0, high=10) == 7.0


def test_a_text_has_no_control_characters_and_ends() -> None:
    with pytest.raises(RefusedError):
        text({"note": "a\x1b[31m"}, "note")
    with pytest.raises(RefusedError):
        text({"note": "a" * 501}, "note")
    assert text({"note": " two\nlines "}, "note") == "two\nlines"
