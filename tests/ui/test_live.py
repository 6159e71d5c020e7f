"""Laws of the live feed: one reader for all, one answer under way, an honest page without data."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.conftest import need
from tests.postgres import PASSWORD
from tests.postgres import server as postgres_server
from tests.ui.synthetic import DED_CELL, LPBF_BAY, SyntheticStore, frame_step, opening_step
from twin.clock import SystemClock
from twin.store.fake.store import FakeStore
from twin.store.port import Step
from twin.store.sql.store import SqlStore
from ui.hall import Hall
from ui.live import QUICK_PERIOD_S, READ_PERIOD_S, SMALL_BYTES, Feed, Page, Part, Props, Turn
from ui.snapshot import PATH_FRAMES, Fresh, Snapshot, read_snapshot

Serve = Callable[..., str]

MOST_BYTES = 30_000  # of what comes ten times a second, before compression
QUICK = {"band", "timeline"}
PARTS = {"band", "timeline", "field", "pool", "layer", "second", "absorbed", "alerts", "counts", "missed"}


def opened(address: str, **more: Any) -> ClientConnection:
    return connect(
        address.replace("http", "ws") + "/live", **{"origin": address, "max_size": None, "open_timeout": 10} | more
    )


def ask(
    page: ClientConnection, machine: str = "", seen: dict[str, int] | None = None, **chosen: str
) -> dict[str, Any]:  # fmt: skip
    page.send(json.dumps({"asked": {"machine": machine} | chosen, "scheme": "light", "seen": seen or {}}))
    return json.loads(page.recv(timeout=20))


def filled(page: ClientConnection, machine: str = "", **chosen: str) -> dict[str, Any]:
    """Asks as a page does, until it holds every part."""
    parts: dict[str, Any] = {}
    until_s = time.monotonic() + 20
    while set(parts) != PARTS and time.monotonic() < until_s:
        update = ask(page, machine, stamps({"parts": parts}), **chosen)
        parts |= update["parts"]
    return update | {"parts": parts}


def stamps(update: dict[str, Any]) -> dict[str, int]:
    return {name: part["stamp"] for name, part in update["parts"].items()}


def test_what_a_page_holds_is_not_sent_again(serve: Serve) -> None:
    store = SyntheticStore(now_s=time.time())
    with opened(serve(store)) as page:
        first = filled(page, LPBF_BAY.name)
        assert set(first["parts"]) == PARTS
        held = stamps(first)
        assert "timeline" not in ask(page, LPBF_BAY.name, held)["parts"]
        store.advance(5, time.time())
        came: list[str] = []
        for _ in range(8):  # a read may be under way while the store moves on, and another part be in its turn
            later = ask(page, LPBF_BAY.name, held)
            held |= stamps(later)
            came += list(later["parts"])
        assert "timeline" in came


def test_an_update_is_of_quick_parts_or_of_one_other_or_small_ones_in_turn(serve: Serve) -> None:
    store = SyntheticStore(now_s=time.time())
    with opened(serve(store)) as page:
        held: dict[str, int] = {}
        came: list[set[str]] = []
        until_s = time.monotonic() + 20
        while set(held) != PARTS and time.monotonic() < until_s:
            store.advance(1, time.time())
            parts = ask(page, LPBF_BAY.name, held)["parts"]
            size = sum(len(json.dumps(part["props"])) for part in parts.values())
            if set(parts) <= QUICK:
                assert size < MOST_BYTES
            else:
                assert not QUICK & set(parts)
                assert len(parts) == 1 or size < 1.2 * SMALL_BYTES
            held |= {name: part["stamp"] for name, part in parts.items()}
            came.append(set(parts))
        assert set(held) == PARTS, "however often there is a new frame, the others get their turn"
    assert came[0] == QUICK, "what a person looks for first comes first"


def test_what_a_viewer_gets_is_whose_turn_it_is() -> None:
    """So that a frame waits for one slow drawing at most, and no other part for ever."""
    said = {"large": "x" * SMALL_BYTES}

    def read(store: Any, asked: dict[str, str], before: Hall, now_s: float) -> Hall:
        return replace(before, read_s=now_s)

    def part(name: str, period_s: float = 60.0) -> Part:
        return Part(name, period_s, lambda view, palette: {name: said.get(name, "x")})  # type: ignore[dict-item]

    page = Page("p", "/p", "P", list, Hall(0.0), read, (part("sizes", 0.1), part("a"), part("b"), part("large")))

    async def watch() -> None:
        feed = Feed(FakeStore, [page], SystemClock(), stale_after_s=5.0, waiting_text="")

        async def gets(turn: Turn, **seen: int) -> tuple[set[str], Turn]:
            update = await feed.next("p", {}, "light", seen, turn)
            return set(json.loads(update.json)["parts"]), update.turn

        held: dict[str, int] = {}
        while len(held) < 4:
            update = await asyncio.wait_for(feed.next("p", {}, "light", held), 5.0)
            held |= stamps(json.loads(update.json))
        assert await gets("others") == ({"sizes"}, "others"), "what was never seen of the quick ones comes first"
        assert await gets("quick", sizes=0) == ({"sizes"}, "others")
        assert await gets("others", sizes=0) == ({"a", "b"}, "quick")
        assert await gets("both", sizes=0) == ({"sizes", "a", "b"}, "others")
        assert await gets("quick", sizes=held["sizes"]) == ({"a", "b"}, "quick"), "no turn is lost"
        rest = {name: held[name] for name in ("sizes", "a", "b")}
        assert await gets("quick", **rest) == ({"large"}, "quick")
        await feed.close()

    asyncio.run(watch())


def test_reads_do_not_grow_with_viewers(serve: Serve) -> None:
    store = SyntheticStore(now_s=time.time())
    address = serve(store)
    with ExitStack() as viewers:
        pages = [viewers.enter_context(opened(address)) for _ in range(6)]
        reads, took_s = _ask_for(2.0, pages, store)
    assert reads <= took_s / READ_PERIOD_S + 2


def test_a_machine_that_is_quicker_than_eyes_is_read_a_dozen_times_a_second(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin may need the core; and its newest frame is there soon all the same."""
    store, reads = SyntheticStore(now_s=time.time()), []
    signals = store.signals
    monkeypatch.setattr(store, "signals", lambda *of, **how: reads.append(of) or signals(*of, **how))  # type: ignore[func-returns-value]
    with opened(serve(store)) as page:
        held = stamps(filled(page, LPBF_BAY.name))
        before, began_s, drawn = len(reads), time.monotonic(), 0
        while time.monotonic() - began_s < 2.0:
            store.advance(1, time.time())
            update = ask(page, LPBF_BAY.name, held)
            drawn += "timeline" in update["parts"]
            held |= stamps(update)
        took_s = time.monotonic() - began_s
    assert len(reads) - before <= took_s / QUICK_PERIOD_S + 2
    assert drawn >= 2


def test_who_chooses_another_drawing_shares_all_else(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice changes its own part; the store is read once, and every other part is drawn once."""
    store = SyntheticStore(now_s=time.time())
    address = serve(store)
    with opened(address) as one, opened(address) as other:
        mine, theirs = filled(one, LPBF_BAY.name), filled(other, LPBF_BAY.name, colour="width")
        assert stamps(theirs)["layer"] != stamps(mine)["layer"]
        assert "width" in json.dumps(theirs["parts"]["layer"])
        plain = stamps(filled(one, LPBF_BAY.name, colour="no such quantity"))
        assert plain["layer"] == stamps(mine)["layer"], "what is none is the first"

    drawn: list[str] = []

    def draw(name: str) -> Callable[..., Props]:
        return lambda view, palette, chosen="": drawn.append(f"{name} {chosen}".strip()) or {}  # type: ignore[func-returns-value]

    def read(store: Any, asked: dict[str, str], before: Hall, now_s: float) -> Hall:
        assert "colour" not in asked, "a choice is no subject"
        drawn.append("read")
        return replace(before, read_s=now_s)

    monkeypatch.setattr("ui.live.READ_PERIOD_S", 60.0)
    parts = (Part("a", 61.0, draw("a")), Part("b", 61.0, draw("b"), "colour"))
    page = Page("p", "/p", "P", list, Hall(0.0), read, parts)

    async def watch() -> None:
        feed = Feed(FakeStore, [page], SystemClock(), stale_after_s=5.0, waiting_text="")
        while len(drawn) < 4:  # one part after the other
            looks = [feed.next("p", {"of": "x"} | said, "light", {}) for said in ({}, {"colour": "w"}, {"colour": "w"})]
            await asyncio.wait_for(asyncio.gather(*looks), 5.0)
        await feed.close()

    asyncio.run(watch())
    assert sorted(drawn) == ["a", "b", "b w", "read"]


def test_the_path_of_a_layer_grows_and_is_read_only_where_it_is_new() -> None:
    asked: list[int] = []

    class Counted(FakeStore):
        def estimates(self, machine: str, **how: Any) -> Any:
            rows = super().estimates(machine, **how)
            if how["limit"] == PATH_FRAMES:
                asked.append(len(rows))
            return rows

    store, source, snapshot = Counted(), SyntheticStore(frame=5, now_s=time.time()), Snapshot(0.0)
    store.write(opening_step(source, LPBF_BAY))
    for turn in range(3):
        for _ in range(4):
            source.advance(1, time.time())
            store.write(frame_step(source, LPBF_BAY, with_field=False))
        snapshot = read_snapshot(store, {"machine": LPBF_BAY.name}, snapshot, 10.0 * (turn + 1)) or snapshot
        assert snapshot.slow.path["frame"].tolist() == list(range(6, 6 + 4 * (turn + 1)))
    assert asked == [4, 4, 4]


def _ask_for(seconds: float, pages: list[ClientConnection], store: SyntheticStore) -> tuple[int, float]:
    began_s, before = time.monotonic(), store.reads.get("machines", 0)
    while time.monotonic() - began_s < seconds:
        for page in pages:
            page.send(json.dumps({"asked": {"machine": LPBF_BAY.name}, "scheme": "light", "seen": {}}))
        for page in pages:
            page.recv(timeout=20)
    return store.reads["machines"] - before, time.monotonic() - began_s


def test_reading_stops_when_nobody_watches(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.live.FORGET_AFTER_S", 0.3)
    store = SyntheticStore(now_s=time.time())
    with opened(serve(store)) as page:
        ask(page)
    time.sleep(1.2)
    before = store.reads["machines"]
    time.sleep(0.8)
    assert store.reads["machines"] == before


def test_a_slow_store_makes_updates_rarer_and_nothing_queues(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SyntheticStore(now_s=time.time())
    quick = store.latest_forecast

    def slow(machine: str) -> dict[str, Any] | None:
        time.sleep(0.7)
        store.advance(1, time.time())
        return quick(machine)

    monkeypatch.setattr(store, "latest_forecast", slow)
    with opened(serve(store)) as page:
        ask(page)
        for _ in range(2):
            began_s = time.monotonic()
            assert "timeline" in ask(page)["parts"]
            assert time.monotonic() - began_s < 4.0


def test_the_page_waits_for_a_database_that_does_not_exist_and_finds_it_later(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    with opened(serve(f"sqlite:///{path}")) as page:
        assert "No machine has said anything yet" in ask(page)["pulse"]["waiting"]
        assert not path.exists()
        source = SyntheticStore(now_s=time.time())
        writer = SqlStore.create(f"sqlite:///{path}")
        writer.write(opening_step(source, DED_CELL))
        writer.write(frame_step(source, DED_CELL, with_field=True))
        update = ask(page)
        until_s = time.monotonic() + 20
        while not update["pulse"]["machine"] and time.monotonic() < until_s:
            update = ask(page)
        assert (update["pulse"]["machine"], update["pulse"]["waiting"]) == (DED_CELL.name, "")
        writer.close()


def test_cards_and_tables_are_shown_before_there_is_a_store(serve: Serve, tmp_path: Path) -> None:
    """They are files; what is of machines says that there is none."""
    wanted = {"listing": "ASNO", "serving": "No machine has said anything", "card": "Envelope", "map": "./meltwin run"}
    with opened(serve(f"sqlite:///{tmp_path}/none.db")) as page:
        parts: dict[str, Any] = {}
        until_s = time.monotonic() + 20
        while set(parts) != set(wanted) and time.monotonic() < until_s:
            asked = {"card": "asno-melt-pool"}
            page.send(
                json.dumps({"page": "models", "asked": asked, "scheme": "light", "seen": stamps({"parts": parts})})
            )
            update = json.loads(page.recv(timeout=20))
            parts |= update["parts"]
    assert update["pulse"]["waiting"] == ""
    assert update["pulse"]["map"] == "unstored", "nobody can ask"
    for name, words in wanted.items():
        assert words.lower() in json.dumps(parts[name]).lower(), name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "fake"])
def test_every_store_fills_the_page(serve: Serve, tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    source = SyntheticStore(now_s=time.time())
    server = request.getfixturevalue("postgres") if kind == "postgresql" else None
    url = f"sqlite:///{tmp_path / 'rows.db'}" if server is None else server.database()
    store = FakeStore() if kind == "fake" else SqlStore.create(url)
    store.write(opening_step(source, LPBF_BAY))
    for _ in range(5):
        store.write(frame_step(source, LPBF_BAY, with_field=True))
        source.advance(1, time.time())
    with opened(serve(store if kind == "fake" else url)) as page:
        parts = filled(page)["parts"]
    metas = [trace.get("meta") for trace in parts["timeline"]["props"]["timeline"]["figure"]["data"]]
    assert {"observed", "estimate", "forecast"} <= set(metas)
    assert parts["pool"]["props"]["pool"]["figure"]["data"]
    band = json.dumps(parts["band"], ensure_ascii=False)
    for words in ("SIMULATED", "slow motion: 1 s here is 1 ms", "machine online", "IN625", "100 µm", "asno-small-1"):
        assert words in band
    if kind != "fake":
        store.close()


def test_a_page_says_that_the_server_is_gone_and_goes_on_when_it_is_back(serve: Serve) -> None:
    need("postgres")
    with postgres_server() as running:
        url, source = running.database(), SyntheticStore(now_s=time.time())
        store = SqlStore.create(url)
        store.write(opening_step(source, LPBF_BAY))
        with opened(serve(url)) as page:
            assert ask(page)["pulse"]["trouble"] == ""
            running.stop("immediate")
            trouble = _trouble_until(page, lambda said: said != "")
            assert "does not answer" in trouble
            assert PASSWORD not in trouble
            assert ask(page)["pulse"]["machine"] == LPBF_BAY.name, "what was known stays"
            running.start()
            assert _trouble_until(page, lambda said: said == "") == ""
        store.close()


def _trouble_until(page: ClientConnection, wanted: Callable[[str], bool]) -> str:
    until_s = time.monotonic() + 30
    while True:
        said = ask(page)["pulse"]["trouble"]
        if wanted(said) or time.monotonic() > until_s:
            return str(said)


@pytest.mark.parametrize("said", [1, 2, 3, 4])
def test_a_machine_that_has_only_begun_to_speak_has_a_page(serve: Serve, tmp_path: Path, said: int) -> None:
    url, source = f"sqlite:///{tmp_path / 'begun.db'}", SyntheticStore(now_s=time.time())
    store = SqlStore.create(url)
    store.write(Step(opening_step(source, LPBF_BAY).observations[:said], received_s=source.now_s))
    with opened(serve(url)) as page:
        update = ask(page)
    store.close()
    assert update["pulse"]["machine"] == LPBF_BAY.name
    assert "Waiting for the first forecast" in json.dumps(update["parts"]["band"])
    assert "No frame has been forecast yet" in json.dumps(update["parts"]["timeline"])


@pytest.mark.parametrize("said", [slice(1, 2), slice(2, 3), slice(3, 4)])
def test_a_machine_whose_state_was_missed_has_a_page(serve: Serve, tmp_path: Path, said: slice) -> None:
    url, source = f"sqlite:///{tmp_path / 'missed.db'}", SyntheticStore(now_s=time.time())
    store = SqlStore.create(url)
    store.write(Step(opening_step(source, LPBF_BAY).observations[said], received_s=source.now_s))
    store.write(frame_step(source, LPBF_BAY, with_field=True))
    with opened(serve(url)) as page:
        assert set(filled(page)["parts"]) == PARTS
    store.close()


def test_a_withheld_forecast_is_said_and_drawn_as_nothing(serve: Serve, tmp_path: Path) -> None:
    url, source = f"sqlite:///{tmp_path / 'withheld.db'}", SyntheticStore(now_s=time.time(), outcome="outside_envelope")
    store = SqlStore.create(url)
    store.write(opening_step(source, LPBF_BAY))
    step = frame_step(source, LPBF_BAY, with_field=False)
    store.write(replace(step, forecasts=[replace(step.forecasts[0], leads=())]))
    with opened(serve(url)) as page:
        parts = filled(page)["parts"]
    store.close()
    assert "No numbers are given" in json.dumps(parts["band"])
    assert parts["timeline"]["props"]["timeline"]["figure"]["data"] == []


def test_data_age_grows_while_the_machine_is_silent(serve: Serve) -> None:
    store = SyntheticStore(now_s=time.time() - 30)
    with opened(serve(store, stale_after_s=5.0)) as page:
        pulse = ask(page)["pulse"]
    assert pulse["age_s"] > 29 > pulse["stale_after_s"]
    assert pulse["forecast_age_s"] > 29


def test_a_twin_that_is_behind_is_told_from_a_machine_that_is_silent() -> None:
    rows = ({"machine": "m", "last_sent_s": 100.0},)
    snapshot = Snapshot(130.0, machines=rows, machine="m", fresh=Fresh(latest={"issued_s": 129.0}))
    assert snapshot.age_s == 30.0
    assert snapshot.forecast_age_s == 1.0
    assert Snapshot(130.0, machines=rows, machine="m").forecast_age_s is None


@pytest.mark.parametrize("origin", ["https://example.org", None])
def test_pages_from_elsewhere_are_turned_away(serve: Serve, origin: str | None) -> None:
    address = serve(SyntheticStore())
    with pytest.raises(InvalidStatus), opened(address, origin=origin):
        pass


def polled(address: str, body: bytes, origin: str) -> tuple[int, str]:
    request = Request(address + "/live", body, {"Content-Type": "application/json", "Origin": origin})
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, ""


def test_the_same_is_had_by_requests(serve: Serve) -> None:
    address = serve(SyntheticStore(now_s=time.time()))
    asked = json.dumps({"page": "machine", "asked": {"machine": LPBF_BAY.name}, "seen": {}}).encode()
    status, text = polled(address, asked, address)
    assert status == 200
    assert "timeline" in json.loads(text)["parts"]
    assert polled(address, asked, "https://example.org")[0] == 403
    assert polled(address, b"[]", address)[0] == 415
    assert polled(address, b"{", address)[0] == 415
    assert polled(address, b'{"page": "none"}', address)[0] == 404
