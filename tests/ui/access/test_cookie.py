"""Laws of the signed session: no letter changed, no key but ours, no longer than it says."""

import stat
import threading
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ui.access.laws import KEY
from ui.access.cookie import MOST_S, KeyFileError, Session, Signer, key_in

HOUR_S = 3600.0
ROOT = Path(__file__).parents[3]


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
