"""Files: the text of the broker's configuration, its access list and its password file.

Who may say what: a machine writes the kinds that are a machine's under its own name and reads what the twin tells it;
the twin reads its site and writes what is the twin's, never a command; a named person reads what the twin says and
writes acknowledgements; anybody else nothing. The page needs no broker.
"""

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from ingest.decode import MAX_PAYLOAD_BYTES
from ingest.topics import KINDS, OUT_KINDS, PEOPLE_KINDS, PREFIX, topic_of

SPARKPLUG = "spBv1.0"
TWIN = "twin"  # the user as which `run` connects
TO_MACHINES = (*(kind for kind in OUT_KINDS if kind != "forecast"), *PEOPLE_KINDS)
PACKET_MARGIN_BYTES = 64 << 10  # topic and properties
_ITERATIONS = 10_000  # 5 ms of the broker's one thread; ours have 256 random bits and need no stretching
_TEMPLATE = Path(__file__).with_name("mosquitto.conf")


def configuration(folder: Path, *, address: str, port: int, user: str) -> str:
    """mosquitto.conf for a broker that keeps everything in `folder` and runs as the system's `user`."""
    return Template(_TEMPLATE.read_text()).substitute(
        folder=folder,
        address=address,
        port=port,
        user=user,
        max_payload_bytes=MAX_PAYLOAD_BYTES,
        max_packet_bytes=MAX_PAYLOAD_BYTES + PACKET_MARGIN_BYTES,
    )


def access_list(site: str, machines: Iterable[str], sparkplug_group: str = "", people: Iterable[str] = ()) -> str:
    """The ACL file. What no line allows is refused; before the first `user` it would be for nobody in particular.

    With a group of Sparkplug B a machine may also be the edge node of its name. The twin reads the group, and may write
    none of its topics: NCMD, by which a node is asked for its rebirth, is a command.
    """
    edge = f"{SPARKPLUG}/{sparkplug_group}" if sparkplug_group else ""
    lines = [
        "# Written by `meltwin broker setup`. A machine says its own kinds under its own name, and hears its alerts.",
        "",
        f"user {TWIN}",
        *(f"topic read {PREFIX}/{site}/+/{kind}" for kind in (*KINDS, *OUT_KINDS, *PEOPLE_KINDS)),
        *(f"topic write {PREFIX}/{site}/+/{kind}" for kind in OUT_KINDS),
        "topic read $SYS/broker/#",
        *([f"topic read {edge}/#"] if edge else []),
    ]
    for machine in machines:
        lines += ["", f"user {machine}"]
        lines += [f"topic write {topic_of(site, machine, kind)}" for kind in KINDS]
        lines += [f"topic read {topic_of(site, machine, kind)}" for kind in TO_MACHINES]
        if edge:
            lines += [f"topic write {edge}/{kind}/{machine}" for kind in ("NBIRTH", "NDATA", "NDEATH")]
            lines += [f"topic write {edge}/{kind}/{machine}/+" for kind in ("DBIRTH", "DDATA", "DDEATH")]
            lines += [f"topic read {edge}/NCMD/{machine}", f"topic read {edge}/DCMD/{machine}/+"]
    for person in people:
        lines += ["", f"user {person}"]
        lines += [f"topic write {PREFIX}/{site}/+/{kind}" for kind in PEOPLE_KINDS]
        lines += [f"topic read {PREFIX}/{site}/+/{kind}" for kind in (*OUT_KINDS, *PEOPLE_KINDS)]
    return "\n".join(lines) + "\n"


def password_lines(passwords: Mapping[str, str]) -> str:
    """The password file, as `mosquitto_passwd` writes it: PBKDF2-HMAC-SHA512, each with a salt of its own."""
    return "".join(f"{name}:{_hashed(password)}\n" for name, password in sorted(passwords.items()))


def _hashed(password: str) -> str:
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
