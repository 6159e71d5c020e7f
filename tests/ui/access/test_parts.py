"""Laws of the parts: what is signed, hashed, counted, allowed and believed."""

import hashlib
import re
import stat
import threading
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from tests.ui.access.laws import CHEAP, KEY
from twin.people import ROLES
from ui.access import passwords
from ui.access.attempts import FREE, Attempts
from ui.access.cookie import MOST_S, KeyFileError, Session, Signer, key_in
from ui.access.page import local_path, sign_in_page
from ui.access.proxy import proxies
from ui.access.roles import LEAST, Act, may
from ui.access.who import LOCAL, NotAllowedError, Who, need, set_who, who

HOUR_S = 3600.0
ROOT = Path(__file__).parents[3]


# roles


def test_the_table_of_roles_is_complete_and_every_role_may_what_the_one_before_it_may() -> None:
    assert set(LEAST) == set(get_args(Act))
    for act in LEAST:
        allowed = [may(role, act) for role in ROLES]
        assert allowed == sorted(allowed), act
        assert allowed[-1], "an engineer may everything"
        assert not may("king", act)
        assert not may("", act)


def test_a_viewer_reads_an_operator_acts_on_alerts_an_engineer_answers_for_what_serves() -> None:
    reads = {act for act in LEAST if may("viewer", act)}
    operates = {act for act in LEAST if may("operator", act)} - reads
    assert reads == {"read"}
    assert operates == {"acknowledge", "shelve", "note", "ask"}
    assert {act for act in LEAST if may("engineer", act)} - reads - operates == {
        "approve",
        "promote",
        "manage accounts",
    }
    with pytest.raises(KeyError):
        may("engineer", "fire the laser")  # type: ignore[arg-type]


def test_who_is_needed_must_be_somebody_who_may() -> None:
    def asks(act: Any) -> Who:
        return need(act)

    def alone() -> None:
        assert who() is None
        with pytest.raises(NotAllowedError, match="not signed in"):
            asks("read")
        set_who(Who("vera", "viewer", "password"))
        assert asks("read").name == "vera"
        with pytest.raises(NotAllowedError, match="To acknowledge needs the role operator; you are viewer"):
            asks("acknowledge")
        set_who(LOCAL)
        assert asks("approve") == LOCAL

    thread = threading.Thread(target=alone)
    thread.start()
    thread.join()
    assert who() is None, "nobody is somebody in another's thread"


# passwords


def test_a_password_matches_its_own_hash_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    words = ["correct horse battery", "correct horse batterz", "Correct horse battery", "correct horse battery "]
    kept = [passwords.hashed(word) for word in words]
    for i, word in enumerate(words):
        assert [passwords.matches(word, each) for each in kept] == [i == j for j in range(len(words))]


def test_the_same_password_is_kept_differently_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    kept = {passwords.hashed("correct horse battery") for _ in range(20)}
    assert len(kept) == len({each.split("$")[4] for each in kept}) == 20


def test_a_hash_costs_what_it_says_and_does_not_say_the_password() -> None:
    kept = passwords.hashed("correct horse battery")
    assert kept.startswith("scrypt$15$8$3$")
    assert "horse" not in kept
    assert passwords.matches("correct horse battery", kept)


def test_two_keyboards_type_the_same_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    assert passwords.matches("schmelzbad-größe", passwords.hashed("schmelzbad-gro\u0308ße"))


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1025])
def test_too_short_or_too_long_is_no_password(password: str) -> None:
    with pytest.raises(passwords.PasswordError, match="characters"):
        passwords.hashed(password)
    assert not passwords.matches(password, "")


@pytest.mark.parametrize(
    "kept",
    [None, "", "plain", "scrypt$4$1$1$$", "scrypt$x$1$1$AA$BB", "md5$4$1$1$AA$BB", "scrypt$99$8$1$AA$BB", "scrypt$4$1"],
)
def test_what_is_no_hash_matches_nothing(monkeypatch: pytest.MonkeyPatch, kept: str | None) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    for password in ("", "plain", "correct horse battery"):
        assert not passwords.matches(password, kept)


def test_nobody_costs_as_much_as_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", CHEAP)
    kept, made = passwords.hashed("correct horse battery"), []
    passwords.matches("warm up the hash of nobody", None)
    scrypt = hashlib.scrypt
    monkeypatch.setattr(hashlib, "scrypt", lambda *said, **cost: made.append(cost["n"]) or scrypt(*said, **cost))
    for each in (kept, None, ""):
        passwords.matches("another horse altogether", each)
    assert made == [1 << CHEAP[0]] * 3


def test_a_generated_password_is_long_unlike_any_other_and_can_be_read_out() -> None:
    made = {passwords.generated() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"([a-z2-9]{5}-){3}[a-z2-9]{5}", each) for each in made)
    assert not set("ilo01") & set("".join(made))


# cookies


@pytest.fixture
def signer() -> Signer:
    return Signer(KEY)


def test_a_cookie_comes_back_as_the_session_that_it_was(signer: Signer) -> None:
    session = signer.begin("ada", 3, 100.0, HOUR_S)
    assert signer.read(signer.sign(session), 100.0) == session
    assert session.id != signer.begin("ada", 3, 100.0, HOUR_S).id


@settings(max_examples=300)
@given(place=st.integers(0, 10_000), instead=st.characters(codec="latin-1"))
def test_a_cookie_with_any_other_letter_is_refused(place: int, instead: str) -> None:
    signer = Signer(KEY)
    text = signer.sign(Session("id", "ada", 1, 0.0, HOUR_S))
    place %= len(text)
    other = text[:place] + instead + text[place + 1 :]
    assert (signer.read(other, 1.0) is not None) == (other == text)


@pytest.mark.parametrize("text", ["", ".", "a", "a.b", "." * 50, "a" * 5000, "é.é", "\ud800.x", "a.b.c"])
def test_what_is_no_cookie_is_nobody(signer: Signer, text: str) -> None:
    assert signer.read(text, 1.0) is None


def test_more_or_less_than_a_cookie_is_refused(signer: Signer) -> None:
    text = signer.sign(Session("id", "ada", 1, 0.0, HOUR_S))
    for other in (text[:-1], text + "=", text + "A", text[1:], text.replace(".", ".."), text.split(".")[0] + "."):
        assert signer.read(other, 1.0) is None
    body = urlsafe_b64encode(b'["id","root",1,0,9e9]').rstrip(b"=").decode()
    assert signer.read(body + "." + text.split(".")[1], 1.0) is None, "another's signature"


def test_another_servers_key_is_refused_and_its_cookie_has_another_name(signer: Signer) -> None:
    other = Signer(b"o" * 32)
    assert other.read(signer.sign(signer.begin("ada", 1, 0.0, HOUR_S)), 1.0) is None
    assert other.cookie_name != signer.cookie_name


def test_an_expired_cookie_is_refused_and_one_from_the_future_too(signer: Signer) -> None:
    text = signer.sign(signer.begin("ada", 1, 1000.0, HOUR_S))
    assert signer.read(text, 1000.0 + HOUR_S - 1) is not None
    assert signer.read(text, 1000.0 + HOUR_S) is None
    assert signer.read(text, 100.0) is None


def test_a_session_slides_from_its_half_on_but_not_for_ever(signer: Signer) -> None:
    session = signer.begin("ada", 1, 0.0, HOUR_S)
    assert signer.renewed(session, 0.4 * HOUR_S, HOUR_S) is None
    longer = signer.renewed(session, 0.6 * HOUR_S, HOUR_S)
    assert longer is not None
    assert (longer.id, longer.begun_s, longer.until_s) == (session.id, 0.0, 1.6 * HOUR_S)
    now_s, steps = 0.0, 0
    while session.until_s > now_s and steps < 10_000:
        now_s, steps = now_s + 0.6 * HOUR_S, steps + 1
        session = signer.renewed(session, now_s, HOUR_S) or session
    assert session.until_s == MOST_S


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path, keys, ready = tmp_path / "var" / "session.key", set(), threading.Barrier(4)

    def start() -> None:
        ready.wait()
        keys.add(key_in(path))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["session.key"]


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.key"
    key_in(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="others may read"):
        key_in(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(KeyFileError, match="is no key"):
        key_in(path)
    with pytest.raises(KeyFileError, match="cannot keep"):
        key_in(path / "below" / "a" / "file")


# attempts


def test_five_are_free_and_then_each_waits_longer_up_to_a_minute() -> None:
    attempts, now_s, waits = Attempts(), 0.0, []
    for number in range(14):
        while (wait_s := attempts.begin("ada", f"10.0.0.{number}", now_s)) > 0:
            waits.append(wait_s)
            now_s += wait_s
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert attempts.begin("eve", "10.0.0.99", now_s) == 0.0, "only whose name it is waits"


def test_an_address_that_tries_many_names_waits_too() -> None:
    attempts = Attempts()
    tried = [attempts.begin(f"name{number}", "10.0.0.1", 0.0) for number in range(30)]
    assert tried[: FREE["address"]] == [0.0] * FREE["address"]
    assert all(wait_s > 0 for wait_s in tried[FREE["address"] :])
    assert attempts.begin("name0", "10.0.0.2", 0.0) == 0.0


def test_many_at_once_are_no_way_around() -> None:
    attempts = Attempts()
    assert sum(attempts.begin("ada", f"10.0.{n}.1", 0.0) == 0.0 for n in range(100)) == FREE["name"]


def test_success_frees_the_name_but_is_no_excuse_for_an_address() -> None:
    attempts = Attempts()
    for _ in range(4):
        attempts.begin("ada", "10.0.0.1", 0.0)
    attempts.begin("ada", "10.0.0.1", 0.0)
    attempts.succeeded("ada", "10.0.0.1")
    assert attempts.begin("ada", "10.0.0.2", 0.0) == 0.0
    guesses = 0
    for number in range(200):  # guess once, sign in by one's own name, guess again
        guesses += attempts.begin(f"victim{number}", "10.0.0.9", 0.0) == 0.0
        if attempts.begin("mallory", "10.0.0.9", 0.0) == 0.0:
            attempts.succeeded("mallory", "10.0.0.9")
    assert guesses == FREE["address"]


def test_what_is_long_ago_is_forgotten_and_a_clock_set_back_does_not_shut_out() -> None:
    attempts = Attempts()
    for _ in range(5):
        attempts.begin("ada", "10.0.0.1", 1e6)
    assert attempts.begin("ada", "10.0.0.2", 1e6 + 900.0) == 0.0
    for _ in range(5):
        attempts.begin("eve", "10.0.0.3", 1e6)
    assert attempts.begin("eve", "10.0.0.3", 0.0) <= 60.0


def test_memory_is_bounded() -> None:
    attempts = Attempts(most=100)
    for number in range(10_000):
        attempts.begin(f"{number}" * 1000, f"10.{number}", 0.0)
    assert len(attempts) <= 100


# proxies


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


# the form


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
