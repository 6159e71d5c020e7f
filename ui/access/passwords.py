"""Passwords: kept as scrypt (RFC 7914) with a salt each, compared in constant time.

    scrypt$15$8$3$<salt>$<hash>      log2 N, r, p; salt and hash in base64

N = 2^15, r = 8, p = 3 takes 32 MiB and, on a desktop's core, a third of a second (OWASP's password storage cheat sheet
counts it equal to N = 2^17, p = 1). A hash says its own cost, so a later program may raise it. Normal form is NFKC, so
that two keyboards type the same password.
"""

import hashlib
import hmac
import secrets
import unicodedata
from base64 import b64decode, b64encode
from functools import cache

SHORTEST, LONGEST = 12, 1024  # characters
COST = (15, 8, 3)
_DEAREST = (20, 32, 16)  # of a hash that somebody else wrote
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that are taken for one another


class PasswordError(ValueError):
    """A password that cannot be; the text says why."""


def hashed(password: str) -> str:
    """What is kept of a password; another text each time. Raises `PasswordError` for one that is too short."""
    if len(password) < SHORTEST:
        raise PasswordError(f"a password has at least {SHORTEST} characters; three or four words are fine")
    if len(password) > LONGEST:
        raise PasswordError(f"a password has at most {LONGEST:,} characters")
    return _written(password, secrets.token_bytes(16), COST)


def matches(password: str, kept: str | None) -> bool:
    """Whether it is this password. `kept` None or empty (nobody of this name, no password): False, after as long."""
    known = kept or _nobodys(COST)
    try:
        kind, log_n, r, p, salt, _ = known.split("$")
        cost = (int(log_n), int(r), int(p))
        if kind != "scrypt" or any(mine > most for mine, most in zip(cost, _DEAREST, strict=True)):
            raise ValueError("a hash of another kind")
        same = hmac.compare_digest(_written(password[: LONGEST + 1], b64decode(salt), cost), known)
    except ValueError:  # what is kept was written by no program of ours: it matches nothing
        same = False
    return same and bool(kept) and len(password) <= LONGEST


def generated() -> str:
    """A password of 99 bits that can be read out: four times five letters and digits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def _written(password: str, salt: bytes, cost: tuple[int, int, int]) -> str:
    log_n, r, p = cost
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    memory = 128 * r * ((1 << log_n) + p + 2)  # bytes, as OpenSSL counts them
    made = hashlib.scrypt(plain, salt=salt, n=1 << log_n, r=r, p=p, maxmem=2 * memory, dklen=32)
    return f"scrypt${log_n}${r}${p}${b64encode(salt).decode()}${b64encode(made).decode()}"


@cache
def _nobodys(cost: tuple[int, int, int]) -> str:
    """Something to compare with where there is nothing, at the same cost."""
    return _written(secrets.token_hex(), secrets.token_bytes(16), cost)
