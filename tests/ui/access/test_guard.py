"""Laws of the door: pages, callbacks, downloads and websockets alike, by cookie or by proxy."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dash import Input, Output, html
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.ui.access.laws import CHEAP, PASSWORD, PEOPLE, Visitor, access, people, until
from tests.ui.synthetic import SyntheticStore
from twin.clock import FakeClock
from twin.people import People
from twin.store.port import StoreUnavailableError
from ui.access import passwords
from ui.access.guard import OPEN, SIGNED_OUT
from ui.access.who import need, who
from ui.app import build_app

CALLBACK = {
    "output": "seen.children", "outputs": {"id": "seen", "property": "children"}, "changedPropIds": ["asks.n_clicks"],
    "inputs": [{"id": "asks", "property": "n_clicks", "value": 1}],
}  # fmt: skip
JSON = {"Content_Type": "application/json"}


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)


@pytest.fixture
def port() -> People:
    return people()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())


@pytest.fixture
def app(port: People, clock: FakeClock, request: pytest.FixtureRequest) -> Any:
    """The real application, a callback that says who it runs for, and an endpoint for engineers."""
    built = build_app(SyntheticStore(), access=access(port, clock, **getattr(request, "param", {})))

    @built.callback(Output("seen", "children"), Input("asks", "n_clicks"), prevent_initial_call=True)
    def seen(_: int) -> Any:
        person = who()
        return f"{person.name} {person.role} {person.by}" if person else "nobody"

    @built.server.post("/approve")
    async def approve() -> dict[str, str]:
        return {"by": need("approve").name}

    @built.server.get("/report.csv")
    async def report() -> str:
        return str(need("read").name)

    built.validation_layout = html.Div()
    return built


@pytest.fixture
def address(app: Any, running: Callable[[Any], str]) -> Iterator[str]:
    return running(app.server)


@pytest.fixture
def visitor(address: str) -> Visitor:
    return Visitor(address)


def live(visitor: Visitor, **more: Any) -> ClientConnection:
    headers = {"Cookie": visitor.cookie} | visitor.headers if visitor.cookie else visitor.headers
    options: dict[str, Any] = {"origin": visitor.address, "max_size": None, "additional_headers": headers} | more
    return connect(visitor.address.replace("http", "ws") + "/live", **options)


def code_of(socket: ClientConnection, patience_s: float = 8.0) -> int | None:
    """The code with which the server closes; None where it does not."""
    try:
        while True:
            socket.recv(timeout=patience_s)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    except TimeoutError:
        return None


def caller(visitor: Visitor) -> str:
    got = visitor.ask("POST", "/_dash-update-component", json.dumps(CALLBACK), **JSON)
    assert got.status == 200, got.text
    return str(json.loads(got.text)["response"]["seen"]["children"])


def content(visitor: Visitor, path: str) -> str:
    """What Dash puts on the page of a path."""
    place = [{"id": "_pages_location", "property": "pathname", "value": path}]
    place.append({"id": "_pages_location", "property": "search", "value": ""})
    outputs = [{"id": "_pages_content", "property": "children"}, {"id": "_pages_store", "property": "data"}]
    said = {
        "output": ".._pages_content.children..._pages_store.data..", "outputs": outputs, "inputs": place,
        "changedPropIds": ["_pages_location.pathname"],
    }  # fmt: skip
    got = visitor.ask("POST", "/_dash-update-component", json.dumps(said), **JSON)
    assert got.status == 200, got.text
    return json.dumps(json.loads(got.text)["response"]["_pages_content"]["children"])


# nobody


def test_every_route_there_is_is_shut_but_the_open_ones(app: Any, address: str) -> None:
    """Also those that somebody adds later: they are asked of the application itself."""
    stranger, asked = Visitor(address), 0
    stranger.get("/sign-in")  # the last routes are there from the first request on
    for route in app.server.routes:
        path = getattr(route, "path", "").replace("{path:path}", "any/thing").replace("{filename:path}", "live.js")
        path = path.replace("{package_name}", "dash").replace("{fingerprinted_path:path}", "a.js")
        path = "/" + path.lstrip("/")
        if isinstance(route, WebSocketRoute):
            with connect(address.replace("http", "ws") + path, origin=address) as socket:  # type: ignore[arg-type]
                assert code_of(socket) == SIGNED_OUT, path
        elif isinstance(route, Mount):
            assert stranger.get(path + "/live.js").status == 401, path
        else:
            assert isinstance(route, Route), path
            for method in sorted((route.methods or {"GET"}) - {"OPTIONS"}):
                status = stranger.ask(method, path).status
                if path in OPEN:
                    assert status == 200, path
                else:
                    assert status in (303, 401), (method, path, status)
        asked += 1
    assert asked > 8


@pytest.mark.parametrize(
    "path", ["/", "/machine?machine=m 1", "/report.csv", "/no/such/page", "//healthz", "/healthz/"]
)
def test_a_page_leads_to_the_form_and_back(visitor: Visitor, path: str) -> None:
    path = path.replace(" ", "%20")
    away = visitor.get(path)
    assert away.status == 303
    form = visitor.get(away.headers["location"])
    assert form.status == 200
    assert "script" not in form.text
    to = form.text.split('name="to" value="')[1].split('"')[0].replace("&amp;", "&")
    assert to == ("/" if path.startswith("//") else path)
    assert visitor.sign_in("otto", to=to).status == 303


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_dash-update-component"), ("GET", "/_dash-layout"), ("GET", "/assets/live.js"), ("DELETE", "/")],
)
def test_a_callback_of_nobody_is_401(visitor: Visitor, method: str, path: str) -> None:
    assert visitor.ask(method, path, "{}").status == 401


def test_the_form_loads_nothing_but_its_own_and_says_so(visitor: Visitor) -> None:
    form = visitor.get("/sign-in")
    assert form.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; img-src 'self'")
    assert form.headers["cache-control"] == "no-store"
    for path in OPEN:
        assert visitor.get(path).status == 200, path


def test_another_hosts_name_does_not_even_see_the_form(visitor: Visitor) -> None:
    assert visitor.get("/sign-in", Host="attacker.example").status == 400


# somebody


@pytest.mark.parametrize("name", PEOPLE)
def test_who_signs_in_is_known_to_pages_callbacks_and_websockets(visitor: Visitor, name: str) -> None:
    came = visitor.sign_in(name.upper(), to="/?machine=a")
    assert (came.status, came.headers["location"]) == (303, "/?machine=a")
    assert visitor.get("/").status == 200
    for path in ("/", "/machine"):
        layout = content(visitor, path)
        assert name in layout
        assert f" {PEOPLE[name]}" in layout
        assert "Sign out" in layout
    assert caller(visitor) == f"{name} {PEOPLE[name]} password"
    with live(visitor) as page:
        page.send("{}")
        assert "pulse" in json.loads(page.recv(timeout=20))
    assert visitor.get("/sign-in?to=/there").headers["location"] == "/there"


@pytest.mark.parametrize(("name", "status"), [("vera", 403), ("otto", 403), ("ella", 200)])
def test_a_role_that_may_not_is_told_so(visitor: Visitor, name: str, status: int) -> None:
    visitor.sign_in(name)
    got = visitor.ask("POST", "/approve", "{}", **JSON)
    assert got.status == status
    assert ("To approve needs the role engineer" in got.text) is (status == 403)


def test_the_cookie_is_for_this_server_alone(visitor: Visitor) -> None:
    (cookie,) = visitor.sign_in("otto").cookies
    for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="):
        assert part in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert PASSWORD not in cookie


@pytest.mark.parametrize("app", [{"trusted": ("127.0.0.1",)}], indirect=True)
def test_behind_a_trusted_proxy_with_tls_the_cookie_stays_under_tls(visitor: Visitor) -> None:
    (cookie,) = visitor.sign_in("otto", X_Forwarded_Proto="https").cookies
    assert "Secure" in cookie


@pytest.mark.parametrize(("name", "password"), [("otto", "wrong horse battery"), ("nobody", PASSWORD), ("", "")])
def test_what_is_wrong_is_not_said(visitor: Visitor, name: str, password: str) -> None:
    got = visitor.sign_in(name, password, to="/?machine=a")
    assert got.status == 401
    assert "Name or password is wrong." in got.text
    assert not got.cookies
    assert 'value="/?machine=a"' in got.text
    assert visitor.get("/").status == 303


def test_who_guesses_waits(visitor: Visitor, clock: FakeClock) -> None:
    for _ in range(5):
        assert visitor.sign_in("otto", "wrong horse battery").status == 401
    waits = visitor.sign_in("otto")
    assert (waits.status, waits.headers["retry-after"]) == (429, "1")
    assert "Too many attempts. Try again in 1 s." in waits.text
    assert Visitor(visitor.address).sign_in("ella").status == 303, "others need not"
    clock.sleep_s(1.5)
    assert visitor.sign_in("otto").status == 303


# writes come from here


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1", "127.0.0.1"])
def test_a_write_from_elsewhere_is_refused(visitor: Visitor, origin: str) -> None:
    assert visitor.sign_in("ella", Origin=origin).status == 403
    visitor.sign_in("ella")
    for path in ("/_dash-update-component", "/approve", "/sign-out"):
        assert visitor.ask("POST", path, "{}", Origin=origin, **JSON).status == 403, path
    with pytest.raises(InvalidStatus, match="403"):
        live(visitor, origin=origin or None).close()
    assert visitor.get("/").status == 200


def test_a_form_that_is_none(visitor: Visitor) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert visitor.ask("POST", "/sign-in", '{"name": "otto"}', **JSON).status == 400
    assert visitor.ask("POST", "/sign-in", "name=" + "a" * 5000, **form).status == 400
    assert visitor.ask("POST", "/sign-in", "", **form).status == 401
    assert visitor.ask("PUT", "/sign-in", "name=otto", **form).status in (401, 405)
    assert visitor.get("/sign-out").status in (303, 405)


# the end


ENDS: dict[str, Callable[[People], None]] = {
    "password": lambda port: port.set_password("otto", "scrypt$4$1$1$AA==$AA==", by="t", now_s=2.0),
    "shut out": lambda port: port.set_disabled("otto", True, by="t", now_s=2.0),
}


@pytest.mark.parametrize("end", ENDS)
def test_another_password_or_a_shut_account_ends_what_is_open(visitor: Visitor, port: People, end: str) -> None:
    visitor.sign_in("otto")
    other = Visitor(visitor.address)
    other.sign_in("ella")
    with live(visitor) as page, live(other) as stays:
        ENDS[end](port)
        assert until(lambda: visitor.get("/").status == 303)
        assert visitor.ask("POST", "/_dash-update-component", "{}", **JSON).status == 401
        assert code_of(page) == SIGNED_OUT
        assert code_of(stays, 2.5) is None, "nobody else's"
    assert other.get("/").status == 200
    assert visitor.sign_in("otto").status == 401


def test_a_websocket_that_talks_without_pause_ends_too(visitor: Visitor, port: People) -> None:
    visitor.sign_in("otto")
    with live(visitor) as page:
        port.set_disabled("otto", True, by="t", now_s=2.0)

        def ended() -> bool:
            try:
                page.send("{}")
                page.recv(timeout=10)
            except ConnectionClosed as closed:
                return closed.rcvd is not None and closed.rcvd.code == SIGNED_OUT
            return False

        assert until(ended)


def test_signing_out_ends_the_session_also_where_its_cookie_was_copied(visitor: Visitor) -> None:
    visitor.sign_in("otto")
    thief, elsewhere = Visitor(visitor.address, visitor.cookie), Visitor(visitor.address)
    elsewhere.sign_in("otto")
    with live(thief) as page:
        out = visitor.ask("POST", "/sign-out")
        assert (out.status, out.headers["location"], visitor.cookie) == (303, "/sign-in", "")
        assert code_of(page) == SIGNED_OUT
    assert thief.get("/").status == 303
    assert elsewhere.get("/").status == 200, "another session of the same person"


def test_a_session_ends_by_itself_and_lasts_while_somebody_acts(visitor: Visitor, clock: FakeClock) -> None:
    visitor.sign_in("otto")
    first = visitor.cookie
    for _ in range(4):  # sessions last twelve hours
        clock.sleep_s(7 * 3600.0)
        assert visitor.get("/").status == 200
    assert visitor.cookie != first
    assert Visitor(visitor.address, first).get("/").status == 303, "its own twelve hours are over"
    with live(visitor) as page:
        clock.sleep_s(13 * 3600.0)
        assert code_of(page) == SIGNED_OUT
    assert visitor.get("/").status == 303


def test_another_role_holds_at_once(visitor: Visitor, port: People) -> None:
    visitor.sign_in("otto")
    port.set_role("otto", "engineer", by="t", now_s=2.0)
    assert until(lambda: visitor.ask("POST", "/approve", "{}", **JSON).status == 200)


def test_who_came_and_went_is_on_record(visitor: Visitor, port: People) -> None:
    visitor.sign_in("otto")
    visitor.sign_in("nobody")
    visitor.ask("POST", "/sign-out")
    assert port.account_acts("otto").act.tolist() == ["signed out", "signed in", "added"]
    assert port.account_acts("nobody").empty


# the store is away


def test_who_is_known_stays_while_the_store_is_away(
    visitor: Visitor, port: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in("otto")

    def away(*said: Any, **more: Any) -> Any:
        raise StoreUnavailableError("the store does not answer")

    for verb in ("accounts", "sign_in", "sign_out", "sign_outs"):
        monkeypatch.setattr(port, verb, away)
    time.sleep(1.2)
    assert visitor.get("/").status == 200
    other = Visitor(visitor.address)
    assert other.sign_in("ella").status == 303, "a full disk keeps nobody out"
    thief = Visitor(visitor.address, visitor.cookie)
    assert visitor.ask("POST", "/sign-out").status == 303
    assert thief.get("/").status == 303, "out is out"


def test_a_store_that_was_never_there_lets_nobody_in(
    running: Callable[[Any], str], port: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise StoreUnavailableError("the store does not answer")

    monkeypatch.setattr(port, "accounts", away)
    visitor = Visitor(running(build_app(SyntheticStore(), access=access(port)).server))
    assert "The store cannot be read now: the store does not answer" in visitor.get("/sign-in").text
    assert visitor.sign_in("otto").status == 503
    assert visitor.get("/").status == 303
    assert visitor.get("/healthz").status == 200


# proxies


@pytest.mark.parametrize("app", [{"header": "X-Remote-User", "trusted": ("10.1.2.3",)}], indirect=True)
def test_a_header_from_anywhere_else_is_ignored(visitor: Visitor) -> None:
    visitor.headers = {"X-Remote-User": "ella", "X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"}
    assert visitor.get("/").status == 303
    assert visitor.ask("POST", "/_dash-update-component", "{}", **JSON).status == 401
    with live(visitor) as page:
        assert code_of(page) == SIGNED_OUT
    visitor.sign_in("vera")
    assert caller(visitor) == "vera viewer password"


@pytest.mark.parametrize("app", [{"header": "X-Remote-User", "trusted": ("127.0.0.1",)}], indirect=True)
def test_a_trusted_proxy_says_who(visitor: Visitor, port: People) -> None:
    visitor.headers = {"X-Remote-User": "Ella"}
    assert caller(visitor) == "ella engineer proxy"
    assert "Sign out" not in visitor.get("/_dash-layout").text
    stranger = Visitor(visitor.address, headers={"X-Remote-User": "somebody@example.org"})
    assert caller(stranger) == "somebody@example.org viewer proxy", "who has no account may only look"
    assert stranger.ask("POST", "/approve", "{}", **JSON).status == 403
    assert visitor.ask("POST", "/approve", "{}", Origin="https://evil.example", **JSON).status == 403
    with live(visitor) as page:
        port.set_disabled("ella", True, by="t", now_s=2.0)
        assert code_of(page) == SIGNED_OUT
    assert until(lambda: visitor.get("/").status == 303)
    assert Visitor(visitor.address, headers={"X-Remote-User": "<b>"}).get("/").status == 303


# nobody signs in


def test_without_accounts_everybody_here_is_an_engineer_and_writes_still_come_from_here(
    running: Callable[[Any], str],
) -> None:
    built = build_app(SyntheticStore())

    @built.server.post("/approve")
    async def approve() -> dict[str, str]:
        return {"by": need("approve").name}

    visitor = Visitor(running(built.server))
    assert visitor.get("/").status == 200
    assert "Sign out" not in visitor.get("/_dash-layout").text
    assert json.loads(visitor.ask("POST", "/approve", "{}", **JSON).text) == {"by": "local"}
    assert visitor.ask("POST", "/approve", "{}", Origin="https://evil.example", **JSON).status == 403
    assert visitor.get("/sign-in?to=/there").headers["location"] == "/there"
