"""Fuzz: any bytes on any topic through `decode` and the Sparkplug stage. Nothing is raised, memory stays bounded.

    python -m tests.ingest.fuzz --payloads 1000000 --seed 0

Half of the payloads are whole messages with something wrong inside (a field gone, of another type, too large, nested;
a column's size or dtype, its checksum made right again; an alias, a sequence number), half are cut, spliced, flipped or
random bytes. The same seed gives the same payloads.
"""

import argparse
import json
import random
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil

from ingest.codecs import columns, text
from ingest.codecs.fault import CODES
from ingest.decode import decode, encode
from ingest.schemas.examples import examples
from ingest.sparkplug import payload as sparkplug
from ingest.sparkplug.payload import DataType, Metric, Payload
from ingest.sparkplug.stage import Stage
from ingest.topics import KINDS, topic_of
from twin.observation import Observation, Rejected

MAX_GROWTH_BYTES = 256 << 20
_SAMPLED = 500  # payloads between two looks at the memory

EXAMPLES = examples()
_JSON = {kind: json.loads(encode(message)) for kind, message in EXAMPLES.items()}
_COLUMNS = {kind: columns.write(EXAMPLES[kind]) for kind in ("parameters", "plan", "signal", "frame")}
_NUMBERS = (
    0,
    -1,
    1,
    2,
    3.0,
    0.5,
    1e308,
    -1e308,
    1e-320,
    float("nan"),
    float("inf"),
    2**31,
    2**53,
    2**63,
    2**64,
    -(2**63),
)
_VALUES: tuple[Any, ...] = (
    *_NUMBERS,
    10**400,
    None,
    True,
    "",
    "x",
    "1",
    "\x00",
    "é" * 70,
    "a b",
    [],
    {},
    [[]],
    "\ud800",
)
_TYPES = ("", "", "", text.CONTENT_TYPE, columns.CONTENT_TYPE, "application/cbor", "application/json; charset=utf-8")
_METRICS = (
    Metric("Melt Pool/Width", 1, 1000, DataType.FLOAT, 120.0, properties={"engUnit": "um"}),
    Metric("Axis/X", 2, 1000, DataType.DOUBLE, 1.0, properties={"engUnit": "mm"}),
    Metric("y_mm", 3, 1000, DataType.DOUBLE, 2.0), Metric("Laser Power", 4, 1000, DataType.INT32, 200),
    Metric("Build", 5, 1000, DataType.STRING, "b7"), Metric("Layer", 6, 1000, DataType.INT16, 3),
    Metric("bdSeq", None, 1000, DataType.INT64, 4),
)  # fmt: skip
_SPARKPLUG = ("NBIRTH", "NDATA", "NDATA", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "NCMD", "STATE")


class FuzzError(AssertionError):
    """A payload that broke a promise; the text says how to make it again."""


def run(payloads: int, seed: int) -> dict[str, int]:
    """Counts by code, and of `observation`s, `payloads` and `growth_bytes` (the most that memory grew by).

    Raises FuzzError where a promise breaks; what `decode` raises passes through with a note of seed and number.
    """
    chance, stage, counts = random.Random(seed), Stage(), Counter[str]()
    process = psutil.Process()
    before = most = process.memory_info().rss
    for n in range(payloads):
        try:
            if chance.random() < 0.15:
                _through_stage(chance, stage, n, counts)
            else:
                _through_decode(chance, counts)
        except Exception as wrong:  # whatever it is: it is raised again with the payload's number
            wrong.add_note(f"payload {n} of seed {seed}")
            raise
        if n % _SAMPLED == 0:
            most = max(most, process.memory_info().rss)
    if most - before > MAX_GROWTH_BYTES:
        raise FuzzError(f"memory grew by {most - before} bytes in {payloads} payloads of seed {seed}")
    return {**counts, "payloads": payloads, "growth_bytes": most - before}


def _through_decode(chance: random.Random, counts: Counter[str]) -> None:
    kind = chance.choice(KINDS)
    topic, content_type = topic_of("s", "m", kind), chance.choice(_TYPES)
    if chance.random() < 0.05:
        topic = _broken(chance, topic.encode()).decode("utf-8", "replace")
    payload, fitting = chance.choice(_MAKERS)(chance, kind)
    result = decode(topic, payload, fitting if chance.random() < 0.8 else content_type)
    counts[_checked(result, topic, payload)] += 1
    if isinstance(result, Observation) and chance.random() < 0.02:
        again = decode(topic, encode(result.message))
        if not isinstance(again, Observation) or again.message != result.message:
            raise FuzzError(f"what was read from {payload[:200]!r} is not read again")


def _through_stage(chance: random.Random, stage: Stage, n: int, counts: Counter[str]) -> None:
    kind = chance.choice(_SPARKPLUG)
    node = chance.choice("abc") if chance.random() < 0.99 else f"n{n}"
    topic = f"spBv1.0/g/{kind}/{node}" + ("/d" if kind[0] == "D" else "")
    topic = "spBv1.0/STATE/host" if kind == "STATE" else topic
    metrics = [_metric(chance, metric, kind) for metric in _METRICS if chance.random() < 0.8]
    seq = 0 if kind == "NBIRTH" else chance.choice((n % 256, chance.randrange(300)))
    payload = sparkplug.write(Payload(chance.choice((n, 10**12, 2**63)), seq, tuple(metrics)))
    payload = payload if chance.random() < 0.6 else _broken(chance, payload)
    for item in [*stage.read(topic, payload, float(n)), *stage.tick(float(n))]:
        counts[_checked(item, "", b"")] += 1
    stage.alerts(float(n))
    stage.gaps()


def _checked(result: Observation | Rejected, topic: str, payload: bytes) -> str:
    if isinstance(result, Observation):
        return "observation"
    if result.code not in CODES or not result.reason or len(result.reason) > 400 or not result.reason.isascii():
        raise FuzzError(f"a reject without a proper word: {result.code!r}, {result.reason!r}")
    if topic and (result.payload is not payload or result.topic != topic):
        raise FuzzError("a reject does not keep its message")
    return result.code


def _json(chance: random.Random, kind: str) -> tuple[bytes, str]:
    said = dict(_JSON[kind])
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        name = chance.choice(list(said))
        act = chance.randrange(6)
        if act == 0:
            del said[name]
        elif act == 1:
            said[chance.choice(("extra", "beam_power_kw", "x", "\u0000", name.upper()))] = chance.choice(_VALUES)
        elif act == 2 and isinstance(said[name], list) and said[name]:
            some = list(said[name])
            some[chance.randrange(len(some))] = chance.choice(_VALUES)
            said[name] = some * chance.choice((1, 1, 1, 2, 6000))
        elif act == 3:
            said[name] = _nested(chance.choice((2, 50, 150)), chance.choice((True, False)))
        else:
            said[name] = chance.choice(_VALUES)
        if not said:
            break
    return json.dumps(said).encode(), text.CONTENT_TYPE


def _nested(depth: int, lists: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


def _columns(chance: random.Random, kind: str) -> tuple[bytes, str]:
    payload = bytearray(_COLUMNS.get(kind, _COLUMNS["parameters"]))
    head_end = 16 + int.from_bytes(payload[8:12], "little")
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        act = chance.randrange(4)
        if act == 0:
            struct.pack_into("<H", payload, chance.choice((4, 6)), chance.choice((0, 1, 2, 5, 9, 65_535)))
        elif act == 1:
            struct.pack_into(
                "<I", payload, chance.randrange(8, len(payload) - 4), chance.choice((0, 1, 7, 2**31, 2**32 - 1))
            )
        elif act == 2:
            struct.pack_into(
                "<d", payload, chance.randrange(head_end, len(payload) - 8), float(chance.choice(_NUMBERS))
            )
        else:
            payload[chance.randrange(len(payload))] = chance.randrange(256)
    if chance.random() < 0.9:
        struct.pack_into("<I", payload, 12, zlib.crc32(payload[16:]))
    return bytes(payload), columns.CONTENT_TYPE


def _metric(chance: random.Random, metric: Metric, kind: str) -> Metric:
    act, name = chance.randrange(12), metric.name if kind.endswith("BIRTH") else None
    alias = metric.alias if act != 0 else chance.choice((None, 0, 77, 2**64 - 1))
    values = (metric.value, metric.value, metric.value, None, 1e38, float("nan"), -1.0, "text", True, 2**62, -1)
    value = chance.choice(values) if act < 6 else metric.value
    datatype = chance.randrange(40) if act == 7 else metric.datatype
    return Metric(name, alias, metric.timestamp_ms, datatype, value, act == 8, act == 9, metric.properties)


def _cut_json(chance: random.Random, kind: str) -> tuple[bytes, str]:
    return _broken(chance, _json(chance, kind)[0]), text.CONTENT_TYPE


def _cut_columns(chance: random.Random, kind: str) -> tuple[bytes, str]:
    return _broken(chance, _columns(chance, kind)[0]), columns.CONTENT_TYPE


def _broken(chance: random.Random, payload: bytes) -> bytes:
    at = chance.randrange(len(payload) + 1)
    act = chance.randrange(5)
    if act == 0:
        return payload[:at]
    if act == 1:
        return payload[:at] + chance.randbytes(chance.randrange(1, 20)) + payload[at:]
    if act == 2:
        return payload[at:] + payload[:at]
    if act == 3:
        return payload[:at] + payload[at + chance.randrange(1, 9) :]
    return payload[:at] + bytes(b ^ chance.randrange(256) for b in payload[at : at + 3]) + payload[at + 3 :]


def _noise(chance: random.Random, kind: str) -> tuple[bytes, str]:
    act = chance.randrange(100)
    if act == 0:
        return chance.choice((b"[", b'{"a":', b" ", b"1", b'"', b"MWCB")) * chance.choice(
            (1, 300, 100_000, 500_000)
        ), ""
    if act < 40:
        return b"".join(
            chance.choice((b"{", b"}", b"[", b"]", b",", b":", b'"kind"', b"1e9", b"NaN", b" ")) for _ in range(30)
        ), ""
    return chance.randbytes(chance.randrange(0, 200)), ""


_MAKERS: tuple[Callable[[random.Random, str], tuple[bytes, str]], ...] = (
    _json, _json, _columns, _cut_json, _cut_columns, _noise,
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print the counts."""
    options = argparse.ArgumentParser(prog="python -m tests.ingest.fuzz", description=__doc__.splitlines()[0])
    options.add_argument("--payloads", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args(arguments)
    began_s = time.perf_counter()
    for name, count in sorted(run(given.payloads, given.seed).items(), key=lambda each: -each[1]):
        print(f"{count:>12,}  {name}")
    print(f"{time.perf_counter() - began_s:>12.1f}  seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
