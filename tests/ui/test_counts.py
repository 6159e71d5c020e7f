"""The counts below a machine's alerts: they are that machine's, and they add up for it."""

from typing import Any

from tests.contracts import store_cases as case
from twin.forecast import Outcome
from twin.observation import Observation, Rejected, Skipped
from twin.store.fake.store import FakeStore
from twin.store.port import Step
from ui import ids
from ui.figures import LIGHT
from ui.pages.lists import counts
from ui.snapshot import Snapshot, read_snapshot


def told(store: FakeStore, machine: str) -> dict[str, str]:
    snapshot = read_snapshot(store, {"machine": machine}, Snapshot(0.0), 10.0)
    assert snapshot is not None
    cells = counts(snapshot, LIGHT)[ids.COUNTS]["children"]
    return {cell.children[0].children: cell.children[1].children for cell in cells}


def heard(message: Any, machine: str) -> Observation:
    message = message.model_copy(update={"source": machine})
    return Observation("hall", machine, message, f"meltwin/v1/hall/{machine}/{message.channel}")


def filled(*machines: str) -> FakeStore:
    store = FakeStore()
    for number, machine in enumerate(machines, start=1):
        store.write(Step([heard(case.state(), machine), heard(case.build(), machine)], received_s=1.0))
        more = [case.forecast(frame, machine=machine) for frame in range(10 * number)]
        late = [case.forecast(frame, machine=machine, outcome=Outcome("stale")) for frame in range(500, 500 + number)]
        passed = [Skipped(machine, "b1", 3, 900, 899 + number, 2.0)]
        store.write(Step(forecasts=[*more, *late], skipped=passed, received_s=2.0))
    store.write(Step(rejects=[Rejected("meltwin/v1/x", b"{", "no JSON", "not_json")], received_s=3.0))
    return store


def test_a_page_counts_the_machine_it_shows() -> None:
    store = filled("m1", "m2")
    for number, machine in ((1, "m1"), (2, "m2")):
        mine = told(store, machine)
        assert mine["messages committed"] == "2"
        assert mine["frames forecast"] == str(11 * number)
        assert mine["frames skipped"] == str(number)
        by_outcome = [int(span.children[0].children) for span in mine["outcomes"]]
        assert sum(by_outcome) == 11 * number


def test_what_is_no_machines_is_said_to_be_of_all() -> None:
    assert told(filled("m1", "m2"), "m2")["rejected, all machines"] == "1"
    assert told(filled("m1"), "m1")["rejected"] == "1"
