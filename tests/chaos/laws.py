"""What must hold when the dust has settled: nothing lost, nothing twice, order kept, and the windows of a run that was
not disturbed. Each law that does not hold is one line."""

from typing import Any

from sqlalchemy import Select, select

from ingest.decode import decode, encode
from ingest.order import Order
from ingest.topics import RETAINED, topic_of
from tests.chaos.twin import forecast
from twin.observation import Message, Observation
from twin.store.packing import same_content, unpack_message
from twin.store.sql.store import SqlStore
from twin.store.tables import ForecastRow, GapRow, MeltPoolRow, ObservationRow

Frame = tuple[str, int, int, float, float, float, str]  # machine, layer, frame, time, length, x, outcome


def undisturbed(stories: dict[str, list[Message]]) -> list[Frame]:
    """The forecasts of a run in which everything comes once and in order, worked out in memory."""
    order, frames = Order(), []
    for machine, told in stories.items():
        for message in told:
            item = decode(topic_of("s", machine, message.kind), encode(message))  # type: ignore[attr-defined]
            assert isinstance(item, Observation)
            for window in order.add(item, 0.0):
                made = forecast(window, 0.0)
                lead = made.leads[0]
                frames.append(
                    (machine, made.layer, made.frame, made.time_s, lead.melt_pool.length_m, lead.x_m, made.outcome.kind)
                )
    return sorted(frames)


def broken(store: SqlStore, stories: dict[str, list[Message]], *, gaps_allowed: bool = False) -> list[str]:
    """The laws that do not hold."""
    expected = {(m.source, m.channel, m.sequence): m for told in stories.values() for m in told}
    row = ObservationRow
    kept = _rows(store, select(row.source, row.channel, row.sequence, row.encoding, row.payload).order_by(row.id))
    keys = [(source, channel, sequence) for source, channel, sequence, *_ in kept]
    gaps = {
        (source, channel, sequence)
        for source, channel, first, last in _rows(
            store, select(GapRow.source, GapRow.channel, GapRow.first_sequence, GapRow.last_sequence)
        )
        for sequence in range(first, last + 1)
    }
    lost = set(expected) - set(keys)
    if gaps_allowed:
        newest = {(source, channel): sequence for source, channel, sequence in sorted(keys)}
        ended = {k for k in lost if expected[k].kind in RETAINED and k[2] > newest.get(k[:2], -1)}  # type: ignore[attr-defined]
        lost -= gaps | ended  # the newest of a retained kind that a broker forgets is told by nothing after it
    laws = {
        f"{len(lost)} messages are nowhere, as {sorted(lost)[:3]}": not lost,
        f"{len(gaps)} sequences are gaps": gaps_allowed or not gaps,
        "a key is kept twice": len(keys) == len(set(keys)),
        "a key is kept that nobody said": set(keys) <= set(expected),
        "a message is not what was said": all(
            same_content(unpack_message(encoding, payload), expected[tuple(key)]) for *key, encoding, payload in kept
        ),
        "the counter of observations is off": store.counts()["observations"] == len(keys),
        "conflicts": store.counts()["conflicts"] == 0,
        "births": store.counts()["births"] == 0,
    }
    told = _frames(store)
    places = [frame[:3] for frame in told]
    laws["a frame is forecast twice"] = len(places) == len(set(places))
    per_machine = {machine: [p for p in places if p[0] == machine] for machine in stories}
    laws["forecasts are out of order"] = all(found == sorted(found) for found in per_machine.values())
    if not gaps_allowed:
        wanted = undisturbed(stories)
        laws[f"{len(told)} frames are not the {len(wanted)} of an undisturbed run"] = sorted(told) == wanted
    return [law for law, holds in laws.items() if not holds]


def out_of_order(store: SqlStore) -> int:
    """Messages that were committed after a later one of their channel: a broker or a publisher that comes back may send
    them so, and the order of windows does not show it."""
    row, newest, count = ObservationRow, dict[tuple[str, str], int](), 0
    for source, channel, sequence in _rows(store, select(row.source, row.channel, row.sequence).order_by(row.id)):
        count += sequence < newest.get((source, channel), -1)
        newest[source, channel] = max(sequence, newest.get((source, channel), -1))
    return count


def _frames(store: SqlStore) -> list[Frame]:
    row, size = ForecastRow, MeltPoolRow
    rows = select(
        row.machine, row.layer, row.frame, row.time_s, size.length_m, size.x_m, row.outcome_kind
    ).join(size, size.forecast_id == row.id).order_by(row.id)  # fmt: skip
    return [tuple(each) for each in _rows(store, rows)]


def _rows(store: SqlStore, statement: "Select[*tuple[Any, ...]]") -> list[Any]:
    with store._engine.connect() as connection:
        return list(connection.execute(statement).all())
