"""20,000 payloads, or as many as FUZZ_PAYLOADS says: whatever comes becomes a value, and memory stays bounded."""

import os

import pytest

from ingest.acks import UNKNOWN
from ingest.codecs.fault import CODES
from tests.ingest import fuzz

PAYLOADS = int(os.environ.get("FUZZ_PAYLOADS", "20000"))


@pytest.mark.timeout(3600)
def test_whatever_comes_becomes_a_value_and_every_reason_is_met() -> None:
    counts = fuzz.run(PAYLOADS, seed=0)
    assert counts["payloads"] == PAYLOADS
    assert counts["observation"] > PAYLOADS / 20, "structure-aware: not everything is nonsense"
    assert set(CODES) - {UNKNOWN} <= set(counts), "each reason is met"
    assert counts["growth_bytes"] < fuzz.MAX_GROWTH_BYTES


def test_the_same_seed_gives_the_same_payloads() -> None:
    first, again, other = (fuzz.run(500, seed) for seed in (1, 1, 2))
    for counts in (first, again, other):
        del counts["growth_bytes"]
    assert first == again != other
