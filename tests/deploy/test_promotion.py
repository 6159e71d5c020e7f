"""What people promote reaches the twin of record by way of the store, and doctor says what serves where."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import wiring
from deploy.checks import store as checks
from deploy.settings import Settings, load
from ingest.source import FakeSource
from operators import card
from operators.engine import Engine
from tests.contracts import store_cases as case
from twin.store.port import Step, Store
from twin.store.sql.store import SqlStore

ASNO = "asno-melt-pool"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(operator="reference", device="cpu", data_dir=tmp_path, database=f"sqlite:///{tmp_path}/p.db")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = SqlStore.create(settings.database_url)
    opened.write(Step([case.heard(case.state(source="m1"), "m1"), case.heard(case.state(source="m2"), "m2")]))
    yield opened
    opened.close()


def promote(settings: Settings, name: str, sha256: str, at_s: float = 10.0) -> None:
    desk = SqlStore.open_desk(settings.database_url)
    desk.promote("m1", name, sha256=sha256, by="ada", note="why", now_s=at_s)
    desk.close()


def shipped(name: str) -> str:
    return str(card.load(name)[1]["sha256"])


def test_a_promotion_is_loaded_between_two_turns_without_a_restart(settings: Settings, store: Store) -> None:
    loop = wiring.run_loop(settings, FakeSource([]), store, lambda *told: None)
    twin = loop.advance._twins[""].__self__  # type: ignore[attr-defined]
    assert twin.promoted.begin("m1", "b1", 1, 20.0, 20.0) is None
    promote(settings, ASNO, shipped(ASNO))
    twin.promoted._looked_s = 0.0  # a second later
    loop.turn()
    assert isinstance(twin.promoted.begin("m1", "b1", 2, 20.0, 20.0), Engine)
    assert twin.promoted.begin("m2", "b1", 2, 20.0, 20.0) is None
    assert (store.card(ASNO) or {})["sha256"] == shipped(ASNO)


def test_what_the_settings_have_loaded_is_shared(settings: Settings, store: Store) -> None:
    promote(settings, "reference", "")
    twins = wiring.warm_twins(settings, store)
    twins[""].promoted.look(0.0)
    assert twins[""].promoted.begin("m1", "b1", 1, 20.0, 20.0) is twins[""].serving[0]


def lines(settings: Settings) -> dict[str, tuple[str, str]]:
    return {found.what: (found.state, found.found) for found in checks.serving(settings)}


def test_doctor_says_what_serves_where_and_by_whom(settings: Settings, store: Store) -> None:
    assert lines(settings) == {f"serves {m}": ("ok", "reference, by the settings") for m in ("m1", "m2")}
    promote(settings, ASNO, shipped(ASNO), at_s=1_780_000_000.0)
    assert lines(settings)["serves m1"] == ("ok", f"{ASNO}, promoted by ada on 2026-05-28 20:26 UTC")


@pytest.mark.parametrize(
    ("name", "sha256", "why"), [(ASNO, "0" * 64, "other weights"), ("gone", "", "no operator card")]
)
def test_doctor_says_that_a_promoted_card_cannot_serve(
    settings: Settings, store: Store, name: str, sha256: str, why: str
) -> None:
    promote(settings, name, sha256)
    state, found = lines(settings)["serves m1"]
    assert state == "look"
    assert why in found


def test_doctor_says_nothing_where_there_is_no_store(tmp_path: Path) -> None:
    assert lines(load(data_dir=tmp_path, database=f"sqlite:///{tmp_path}/none.db")) == {}
