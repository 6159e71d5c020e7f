"""Setup: a folder from which Mosquitto runs, with credentials for each machine and for the twin.

    mosquitto.conf  acl  passwords  ca.crt  ca.key  server.crt  server.key  data/  secrets/<user>.password
    people/<name>.password

`secrets/` is the list of machines that may connect, `people/` of people who may acknowledge alerts. Run again,
it keeps what is there and adds; delete a file and run again, and its machine or person is locked out. Mosquitto reads
passwords and access list again at SIGHUP.
"""

import os
import pwd
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import MeltwinError
from deploy.mosquitto import files
from deploy.mosquitto.certificates import make_authority, make_server
from ingest.access import read_secret

SUFFIX = ".password"
PEOPLE = "people"  # folder of their secrets: who is in it is no machine
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")  # as in a topic
_HOST = re.compile(r"[A-Za-z0-9_.:\-]{1,253}")


@dataclass(frozen=True)
class Place:
    """Where the broker listens, and who it is."""

    site: str
    address: str
    port: int
    names: Sequence[str]  # by which machines call it
    user: str  # of the system, as which it runs
    sparkplug_group: str = ""


def set_up(folder: Path, place: Place, machines: Sequence[str], people: Sequence[str] = ()) -> list[str]:
    """Write everything; returns the machines and people that may now connect. Only paths are told, no secret."""
    _check(place, machines, people)
    folder = folder.absolute()
    secret_files = folder / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # ca.crt is for everybody; each other file keeps to its owner
    for part in (folder / "data", secret_files, folder / PEOPLE):
        part.mkdir(mode=0o700, exist_ok=True)
    for path in [_secret(folder, name) for name in (files.TWIN, *machines)] + [_of(folder, name) for name in people]:
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(32) + "\n")
    known, persons = _names(secret_files), _names(folder / PEOPLE)
    if twice := set(known) & set(persons):
        raise MeltwinError(f"{', '.join(sorted(twice))}: a machine cannot be a person")
    make_authority(folder)
    make_server(folder, place.names)
    passwords = {name: read_secret(_secret(folder, name)) for name in known}
    passwords |= {name: read_secret(_of(folder, name)) for name in persons}
    known.remove(files.TWIN)
    _write_private(folder / "passwords", files.password_lines(passwords))
    _write_private(folder / "acl", files.access_list(place.site, known, place.sparkplug_group, persons))
    text = files.configuration(folder, address=place.address, port=place.port, user=place.user)
    _write_private(folder / "mosquitto.conf", text)
    _give(folder, place.user)
    return known + persons


def _secret(folder: Path, machine: str) -> Path:
    return folder / "secrets" / f"{machine}{SUFFIX}"


def _of(folder: Path, person: str) -> Path:
    return folder / PEOPLE / f"{person}{SUFFIX}"


def _names(secret_files: Path) -> list[str]:
    return sorted(path.name.removesuffix(SUFFIX) for path in secret_files.glob(f"*{SUFFIX}"))


def _check(place: Place, machines: Sequence[str], people: Sequence[str]) -> None:
    for what, names in (("machine", machines), ("person", people)):
        for name in names:
            if not _NAME.fullmatch(name):
                raise MeltwinError(f"{what} {name!a}: a name is 1 to 64 of A-Z a-z 0-9 _ . -, as in a topic")
            if name == files.TWIN:
                raise MeltwinError(f"no {what} can be called {files.TWIN}: `run` connects under that name")
    if not _NAME.fullmatch(place.user):
        raise MeltwinError(f"{place.user!a} is no name of a user")
    if place.sparkplug_group and not _NAME.fullmatch(place.sparkplug_group):
        raise MeltwinError(f"{place.sparkplug_group!a} is no name of a Sparkplug group for an access list")
    for name in (place.address, *place.names):
        if not _HOST.fullmatch(name):
            raise MeltwinError(f"{name!a} is neither a host name nor an address")
    if not place.names:
        raise MeltwinError("the broker needs a name or address by which machines call it: --host")


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner only, from the first byte on."""
    spare = path.with_name(path.name + ".new")
    spare.unlink(missing_ok=True)
    with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    spare.replace(path)


def _give(folder: Path, user: str) -> None:
    """What the broker reads and writes becomes its user's; secrets of clients and the key of the CA do not."""
    if os.geteuid() != 0:
        return
    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        raise MeltwinError(f"there is no user {user} on this system: apt install mosquitto, or --user") from None
    for name in ("data", "mosquitto.conf", "acl", "passwords", "server.key", "server.crt"):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
