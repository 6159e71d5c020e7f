"""Mosquitto: whether the configuration at hand keeps what it acknowledges, and lets in only whom it knows.

A client cannot ask a broker whether it writes to disk; only the file says so. It is found from a mosquitto that runs on
this computer, or where `broker setup` wrote it, or it is given.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

from deploy.checks.finding import Finding
from deploy.mosquitto.files import TWIN
from ingest.topics import KINDS
from twin.clock import SystemClock

MOST_AUTOSAVE_S = 10
FEWEST_QUEUED = 100_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Lines = dict[str, str]
_KEEPS = "`meltwin broker setup` writes a configuration that keeps"


def configuration_of(port: int, folder: Path) -> Path | None:
    """The file of the broker that listens on `port` here, or else the one in `folder`."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "mosquitto":
            continue
        try:
            ports = {each.laddr.port for each in process.net_connections() if each.status == psutil.CONN_LISTEN}
            words = process.cmdline()
            place = Path(process.cwd())
        except psutil.Error:
            continue
        if port in ports and "-c" in words[:-1]:
            return place / words[words.index("-c") + 1]
    ours = folder / "mosquitto.conf"
    return ours if ours.exists() else None


def read(path: Path) -> Lines:
    """The newest value of each option, `include_dir` followed. OSError where a file cannot be read."""
    lines: Lines = {}
    for text in path.read_text(errors="replace").splitlines():
        name, _, value = text.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if name == "include_dir":
            for part in sorted(Path(value.strip()).glob("*.conf")):
                lines |= read(part)
        else:
            lines[name] = value.strip()
    return lines


def judged(path: Path) -> Iterator[Finding]:
    """What the configuration promises."""
    try:
        lines = read(path)
    except OSError as error:
        remedy = "run this as the broker's user"
        yield Finding("broker configuration", "look", f"{path} cannot be read: {error.strerror}", remedy)
        return
    yield _persistence(path, lines)
    yield _queue(lines)
    yield _strangers(lines)
    yield from _acknowledges(lines)
    yield _saved(lines)


def _persistence(path: Path, lines: Lines) -> Finding:
    what = "broker keeps on disk"
    if lines.get("persistence") != "true":
        return Finding(what, "LOSES", f"{path}: persistence is off: a restart forgets all", _KEEPS)
    every_s, on_changes = _number(lines, "autosave_interval", 1800), lines.get("autosave_on_changes") == "true"
    if on_changes and every_s > 1:
        return Finding(what, "LOSES", f"{path}: saves after {every_s} changes, however long they take", _KEEPS)
    if not on_changes and not 0 < every_s <= MOST_AUTOSAVE_S:
        told = f"every {every_s} s" if every_s else "only when it ends in order"
        return Finding(what, "LOSES", f"{path}: saves {told}: killed before, it forgets what it acknowledged", _KEEPS)
    return Finding(what, "ok", f"{path}: " + ("saves every change" if on_changes else f"saves every {every_s} s"))


def _queue(lines: Lines) -> Finding:
    what, most = "broker's queue", _number(lines, "max_queued_messages", 1000)
    if most == 0:
        return Finding(what, "LOSES", "max_queued_messages 0: some versions then drop every message", _KEEPS)
    if most < FEWEST_QUEUED:
        told = f"drops in silence what comes after {most:,} messages while the twin is away"
        return Finding(what, "LOSES", told, f"max_queued_messages {FEWEST_QUEUED:,} or more; {_KEEPS}")
    return Finding(what, "ok", f"{most:,} messages while the twin is away")


def _strangers(lines: Lines) -> Finding:
    what = "broker lets in"
    listener = lines.get("listener", "").split()
    near = not listener or (len(listener) > 1 and listener[1] in LOOPBACK)
    if lines.get("allow_anonymous") == "true":
        remedy = "allow_anonymous false, a password_file and an acl_file"
        return Finding(what, "look" if near else "UNSAFE", "anybody", remedy)
    if "certfile" not in lines and not near:
        return Finding(what, "UNSAFE", "passwords that cross the network readable", "a TLS listener")
    if "acl_file" not in lines:
        return Finding(what, "UNSAFE", "who has a password may speak for every machine", "an acl_file")
    return Finding(what, "ok", "whom it knows, for what is theirs" + (", by TLS" if "certfile" in lines else ""))


def _acknowledges(lines: Lines) -> Iterator[Finding]:
    """Who may say over MQTT that somebody knows of an alert: people, and no machine."""
    what = "acknowledges over MQTT"
    try:
        text = Path(lines["acl_file"]).read_text(errors="replace")
    except (KeyError, OSError):
        return
    may: dict[str, set[str]] = {}
    user = "anybody"
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["user"] and len(words) > 1:
            user = words[1]
        elif words[:1] == ["topic"] and len(words) > 2 and words[1] in ("write", "readwrite"):
            may.setdefault(user, set()).add(words[2].rpartition("/")[2])
    people = sorted(name for name, kinds in may.items() if "ack" in kinds and name != TWIN)
    machines = [name for name in people if may[name] & set(KINDS)]
    if machines:
        told = f"{', '.join(machines)}: a machine would acknowledge its own alerts"
        yield Finding(what, "UNSAFE", told, "run ./meltwin broker setup again")
    else:
        yield Finding(what, "ok", ", ".join(people) or "nobody; ./meltwin alerts acknowledge does without")


def _saved(lines: Lines) -> Finding:
    path = Path(lines.get("persistence_location", "/var/lib/mosquitto/")) / lines.get(
        "persistence_file", "mosquitto.db"
    )
    what = "broker's file"
    try:
        age_s = SystemClock().now_s() - path.stat().st_mtime
    except OSError as error:
        return Finding(what, "look", f"{path}: {error.strerror}", "none yet, or not for this user to see")
    return Finding(what, "ok", f"{path}, last written {age_s:,.0f} s ago (only when something changes)")


def _number(lines: Lines, name: str, default: int) -> int:
    try:
        return int(lines.get(name, default))
    except ValueError:
        return default
