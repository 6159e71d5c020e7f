"""Laws of what is kept of a password."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.ui.access.laws import CHEAP
from ui.access import passwords

HOUR_S = 3600.0
ROOT = Path(__file__).parents[3]


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
