"""What the tests of the guard share: people, a browser's requests without a browser, and a server to ask."""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from twin.clock import Clock, FakeClock
from twin.people import FakePeople, People
from ui.access import passwords
from ui.access.access import Access
from ui.access.cookie import Signer
from ui.access.proxy import proxies
from ui.access.roll import Roll

KEY = b"k" * 32
PASSWORD = "correct horse battery"
PEOPLE = {"vera": "viewer", "otto": "operator", "ella": "engineer"}
CHEAP = (4, 1, 1)  # the cost of a hash is not what these tests are about


def people(kept: People | None = None) -> People:
    """One of each role, all with the same password."""
    port = kept or FakePeople()
    for name, role in PEOPLE.items():
        port.add_account(name, role, passwords.hashed(PASSWORD), by="test", now_s=1.0)
    return port


def access(
    port: People, clock: Clock | None = None, *, key: bytes = KEY, trusted: tuple[str, ...] = (), header: str = "",
    **more: Any,
) -> Access:  # fmt: skip
    return Access(
        Roll(lambda: port), Signer(key), clock=clock or FakeClock(time.time()), proxies=proxies(trusted, header), **more
    )


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str
    cookies: list[str] = field(default_factory=list)


@dataclass
class Visitor:
    """Somebody with a browser: keeps cookies, says where a write comes from, follows no redirect."""

    address: str
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        link = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        said = {"Origin": self.address} if method not in ("GET", "HEAD") else {}
        said |= {"Cookie": self.cookie} if self.cookie else {}
        said |= self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        link.request(method, path, body, {name: value for name, value in said.items() if value})
        answer = link.getresponse()
        cookies = answer.headers.get_all("set-cookie") or []
        got = Answer(answer.status, dict(answer.headers.items()), answer.read().decode("utf-8", "replace"), cookies)
        link.close()
        for each in cookies:
            self.cookie = each.split(";")[0] if "Max-Age=0" not in each else ""
        return got

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def answers(self) -> bool:
        """Whether there is a server."""
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def sign_in(self, name: str, password: str = PASSWORD, to: str = "/", **headers: str) -> Answer:
        form = urlencode({"name": name, "password": password, "to": to})
        return self.ask("POST", "/sign-in", form, Content_Type="application/x-www-form-urlencoded", **headers)


def until(true: Callable[[], bool], patience_s: float = 10.0) -> bool:
    """Wait until it is true; False where it never is."""
    end_s = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True
