"""Laws of what is believed of a request that was handed on, and of where one goes after signing in."""

import re
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from ui.access.page import local_path, sign_in_page
from ui.access.proxy import proxies

HOUR_S = 3600.0
ROOT = Path(__file__).parents[3]


def asked(peer: str, scheme: str = "http", **headers: str) -> HTTPConnection:
    said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "scheme": scheme, "headers": said, "client": (peer, 1234)})


def test_a_header_is_believed_of_a_trusted_address_alone() -> None:
    trusted = proxies(("10.0.0.5", "192.168.7.0/24", "fd00::/8"), "X-Remote-User")
    for peer, name in {
        "10.0.0.5": "ada", "::ffff:10.0.0.5": "ada", "192.168.7.200": "ada", "fd00::1": "ada",
        "10.0.0.6": None, "127.0.0.1": None, "192.168.8.1": None, "": None, "testclient": None, "10.0.0.5.evil": None,
    }.items():  # fmt: skip
        assert trusted.name(asked(peer, x_remote_user="Ada ")) == name, peer
        assert trusted.secure(asked(peer, x_forwarded_proto="https")) == (name is not None)
    assert proxies(("10.0.0.5",)).name(asked("10.0.0.5", x_remote_user="ada")) is None, "no header is set"


def test_two_names_are_no_name() -> None:
    trusted = proxies(("10.0.0.5",), "X-Remote-User")
    twice = [(b"x-remote-user", b"eve"), (b"x-remote-user", b"ada")]
    assert trusted.name(HTTPConnection({"type": "http", "headers": twice, "client": ("10.0.0.5", 1)})) is None
    assert trusted.name(asked("10.0.0.5", x_remote_user="")) is None


def test_the_address_that_waits_is_the_last_that_no_trusted_proxy_vouches_for() -> None:
    trusted = proxies(("10.0.0.5", "10.0.0.6"))
    assert trusted.address(asked("10.9.9.9", x_forwarded_for="1.2.3.4")) == "10.9.9.9", "it could say anything"
    assert trusted.address(asked("10.0.0.5")) == "10.0.0.5"
    assert trusted.address(asked("10.0.0.5", x_forwarded_for="6.6.6.6, 1.2.3.4")) == "1.2.3.4"
    assert trusted.address(asked("10.0.0.5", x_forwarded_for="6.6.6.6, 1.2.3.4, 10.0.0.6")) == "1.2.3.4"
    one, other = (trusted.address(asked(f"2001:db8:1:2::{last}")) for last in ("1", "ffff"))
    assert one == other == "2001:db8:1:2::/64"


def test_tls_of_our_own_is_tls() -> None:
    assert proxies(()).secure(asked("1.2.3.4", "https"))
    assert not proxies(()).secure(asked("1.2.3.4"))


@pytest.mark.parametrize(
    "to",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", "/a\nb", "/sign-in", "/" * 2000],
)
def test_after_signing_in_nobody_is_sent_elsewhere(to: str) -> None:
    assert local_path(to) == "/"


def test_a_path_of_ours_is_where_one_goes() -> None:
    assert local_path("/machine?machine=lpbf-1&at=2") == "/machine?machine=lpbf-1&at=2"


def test_the_form_shows_what_was_typed_as_text_and_names_its_fields() -> None:
    page = sign_in_page(to='/"><script>', name='"><b>x', error="<i>wrong")
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert re.findall(r'<label for="(\w+)">', page) == re.findall(r'<input id="(\w+)"', page) == ["name", "password"]
    assert re.search(r'id="error" class="error" role="alert"', page)
    assert page.count('aria-describedby="error"') == 2


def test_dark_is_the_same_dark_as_everywhere() -> None:
    assets = ROOT / "ui" / "assets"
    dark = (assets / "meltwin.css").read_text().split('scheme="dark"] {')[1].split("}")[0]
    mine = (assets / "sign-in.css").read_text().split(".sign-in {")[1].split("}")[0]
    shared = dict(re.findall(r"(--[\w-]+): (#\w+)", mine))
    assert len(shared) >= 10
    assert shared.items() <= dict(re.findall(r"(--[\w-]+): (#\w+)", dark)).items()
