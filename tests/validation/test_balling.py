"""The page about balling says what the labelled tracks say: their length over width does not tell them apart."""

from pathlib import Path

import pytest

from tests.conftest import shared_data
from tests.twin.alarms.test_risks import AMB2018_02
from tests.validation.reference import balling
from tests.validation.reference.balling import Track
from twin.regime import BALLING

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"


def test_the_page_has_the_table_of_the_data() -> None:
    shared_data("meltpoolnet")
    told = PAGE.read_text().split(balling.BEGIN)[1].split(balling.END)[0].strip()
    assert told == balling.table(balling.tracks()).strip(), "run python -m tests.validation.reference.balling"


def test_what_is_fitted_to_labels_calls_good_tracks_of_nist_bad() -> None:
    shared_data("meltpoolnet")
    fitted = balling.fitted(balling.tracks())
    assert fitted is not None
    ratios = [length / width for length, width, _ in AMB2018_02.values()]
    assert sum(ratio >= fitted for ratio in ratios) >= 3
    assert max(ratios) < BALLING


def test_a_threshold_is_found_where_there_is_one() -> None:
    apart = [Track("1", "a", 0.1 * n, balls=n >= 30) for n in range(60)]
    assert balling.fitted(apart) == pytest.approx(3.0)
    assert balling.shares(apart, 3.0) == ("30 of 30", "0 of 30")
    assert balling.fitted(apart[:10]) is None
