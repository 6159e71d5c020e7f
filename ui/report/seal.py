"""Seal: what a report says of itself to a program: where it is from, the hashes, and a hash of its own bytes.

The seal shows damage and careless editing. It is no signature: whoever can make a report can make a seal.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from ui.report.rows import ReportError, Rows

FORMAT = "meltwin report 1"
OPEN = "0" * 64
_META = re.compile(rb'<meta name="meltwin-report" content="([^"]*)">')
_COMMENT = re.compile(rb"\n%meltwin-report (\{.*?\})\n")


@dataclass(frozen=True)
class Sealed:
    """What a file says, and whether its bytes are those that were sealed."""

    said: dict[str, Any]
    whole: bool


def about(rows: Rows) -> dict[str, Any]:
    """What `--verify` needs to know."""
    stretch = rows.stretch
    return {
        "format": FORMAT, "machine": stretch.machine, "build": stretch.build, "first_layer": stretch.first_layer,
        "last_layer": stretch.last_layer, "from_s": stretch.from_s, "to_s": stretch.to_s,
        "data_hash": rows.said.data_hash, "messages": rows.said.messages, "forecast_hash": rows.forecast_hash,
        "seal": OPEN,
    }  # fmt: skip


def meta(said: dict[str, Any]) -> str:
    """The line in the page's head, its seal open."""
    return f'<meta name="meltwin-report" content="{escape(json.dumps(said, sort_keys=True))}">'


def close(page: str) -> str:
    """The page with its seal: SHA-256 of itself with 64 zeros in the seal's place."""
    return page.replace(
        f"&quot;seal&quot;: &quot;{OPEN}&quot;", f"&quot;seal&quot;: &quot;{_hash(page.encode())}&quot;", 1
    )


def close_pdf(pdf: bytes, said: dict[str, Any]) -> bytes:
    """A PDF with the same line as a comment before `startxref`, where it moves nothing that the file refers to."""
    at = pdf.rfind(b"startxref")
    if at < 0:
        raise ReportError("the browser printed no PDF that can be read")
    comment = b"\n%meltwin-report " + json.dumps(said, sort_keys=True).encode() + b"\n"
    opened = pdf[:at].rstrip(b"\n") + comment + pdf[at:]
    return opened.replace(f'"seal": "{OPEN}"'.encode(), f'"seal": "{_hash(opened)}"'.encode(), 1)


def opened(content: bytes, name: str) -> Sealed:
    """What a report's bytes say. Raises ReportError for a file that is no report."""
    pdf = content.startswith(b"%PDF")
    found = _COMMENT.findall(content)[-1:] if pdf else _META.findall(content)[:1]
    if not found:
        raise ReportError(f"{name}: this is no report of Meltwin, or its hashes have been taken out")
    try:
        said = json.loads(found[0] if pdf else unescape(found[0].decode()))
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ReportError(f"{name}: what it says of itself cannot be read: the file is damaged") from None
    if said.get("format") != FORMAT:
        raise ReportError(f"{name}: its format is {said.get('format')!r}, this program reads {FORMAT!r}")
    seal = str(said["seal"])
    return Sealed(said, _hash(content.replace(seal.encode(), OPEN.encode(), 1)) == seal)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
