"""Topics of Sparkplug B: `spBv1.0/<group>/<type>/<edge node>[/<device>]`, and the names that ours take from them."""

import re
import zlib
from typing import NamedTuple

NAMESPACE = "spBv1.0"
READ = frozenset({"NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"})
COMMANDS = frozenset({"NCMD", "DCMD"})
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.\-]")


class Address(NamedTuple):
    """Who says what kind of message; `device` is empty for the edge node itself."""

    group: str
    kind: str
    node: str
    device: str = ""


def is_sparkplug(topic: str) -> bool:
    """Whether a topic is in the namespace of Sparkplug B."""
    return topic.startswith(f"{NAMESPACE}/")


def parse(topic: str) -> Address | None:
    """The address, or None for a topic that Sparkplug does not have (STATE has none)."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or parts[0] != NAMESPACE or not all(parts) or any(set("+#") & set(p) for p in parts):
        return None
    address = Address(parts[1], parts[2], *parts[3:])
    if address.kind not in READ | COMMANDS or (address.kind[0] == "D") != bool(address.device):
        return None
    return address


def subscription(group: str = "+") -> str:
    """Everything that a group says."""
    return f"{NAMESPACE}/{group}/#"


def rebirth_topic(group: str, node: str) -> str:
    """Where an edge node is asked for its rebirth: the only command topic that this program can write to."""
    return f"{NAMESPACE}/{group}/NCMD/{node}"


def name_of(*parts: str, longest: int = 64) -> str:
    """One of our names: the parts joined with dots. What our names cannot hold becomes `_` and a checksum follows, so
    that different names stay different."""
    whole = ".".join(parts)
    name = _NOT_A_NAME.sub("_", whole)
    if name == whole and len(name) <= longest:
        return name
    return f"{name[: longest - 9]}.{zlib.crc32('/'.join(parts).encode('utf-8', 'replace')):08x}"
