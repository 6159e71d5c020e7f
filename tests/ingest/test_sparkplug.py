"""Sparkplug B: bytes made by hand from the specification are read; births, aliases, order and loss do as they must."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.codecs.fault import CODES, Fault
from ingest.decode import decode
from ingest.order import Order
from ingest.sparkplug import payload as wire
from ingest.sparkplug.payload import DataType, HostState, Metric, Payload
from ingest.sparkplug.session import Sessions, rebirth_request
from ingest.sparkplug.stage import Stage
from ingest.sparkplug.topics import name_of, parse, rebirth_topic
from twin.observation import Build, Layer, Observation, Parameters, Rejected, Signal, State

# NBIRTH, each byte from section 6.4 of the specification and the encoding of protobuf.
BIRTH = bytes.fromhex(
    "08 e8 07"  # timestamp 1000 ms
    "12 0b  0a 05 62 64 53 65 71  20 04  58 03"  # bdSeq, Int64, long_value 3
    "12 2d  0a 0f 4d 65 6c 74 20 50 6f 6f 6c 2f 57 69 64 74 68  10 01  20 09"  # Melt Pool/Width, alias 1, Float
    "       4a 11  0a 07 65 6e 67 55 6e 69 74  12 06  08 0c  42 02 75 6d  65 00 00 f0 42"  # engUnit um, 120.0
    "12 11  0a 05 4c 61 79 65 72  10 02  20 02  50 fb ff ff ff 0f"  # Layer, alias 2, Int16, int_value -5
    "12 10  0a 08 4c 61 73 65 72 20 6f 6e  10 03  20 0b  38 01"  # Laser on, alias 3, Boolean, is_null
    "12 0c  0a 04 6e 6f 74 65  20 0c  7a 02 68 69"  # note, String, hi
    "12 11  0a 04 64 65 65 70  20 0a  69 00 00 00 00 00 00 f8 3f"  # deep, Double, 1.5
    "12 0b  0a 04 74 61 62 6c  20 10  8a 01 00"  # tabl, DataSet, empty
    "18 00"  # seq 0
    "22 01 75"  # uuid u
    "f8 01 07"  # field 31, which nobody has
)
DATA = bytes.fromhex("08 d0 0f  12 0a  10 01  18 b9 0f  65 00 00 02 43  18 01")  # 2000 ms, alias 1 at 1977 ms: 130.0


def metric(name: str | None = None, alias: int | None = None, value: Any = None, **given: Any) -> Metric:
    kinds = {bool: DataType.BOOLEAN, int: DataType.INT32, float: DataType.DOUBLE, str: DataType.STRING}
    datatype = given.pop("datatype", kinds.get(type(value), DataType.UNKNOWN))
    unit = {"engUnit": given.pop("unit")} if "unit" in given else {}
    return Metric(name, alias, given.pop("at_ms", None), datatype, value, properties=unit, **given)


AXES = [
    metric("Axis/X", 1, 1.0, unit="mm"), metric("Axis/Y", 2, 2.0, unit="mm"), metric("Laser Power", 3, 0.2, unit="kW"),
    metric("Melt Pool/Width", 4, 120.0, unit="um"), metric("Build", 5, "b7"), metric("Layer", 6, 3),
]  # fmt: skip
CONSTANTS = [
    metric("Material", None, "IN718"), metric("beam_diameter_um", None, 800.0), metric("frame_ms", None, 20.0),
    metric("Layer Thickness", None, 0.4, unit="mm"), metric("Nominal Beam Power", None, 360.0, unit="W"),
    metric("Nominal Scan Speed", None, 600, unit="mm/min"),
]  # fmt: skip


def birth(metrics: Iterable[Metric] = AXES, at_ms: int = 1000, bdseq: int = 3, seq: int = 0) -> bytes:
    return wire.write(Payload(at_ms, seq, (Metric("bdSeq", datatype=DataType.INT64, value=bdseq), *metrics)))


def data(seq: int, *metrics: Metric, at_ms: int = 2000) -> bytes:
    return wire.write(Payload(at_ms, seq, metrics))


def moved(seq: int) -> bytes:
    """The n-th step of 20 ms along x."""
    return data(seq % 256, metric(alias=1, value=1.0 + 0.2 * seq), at_ms=1000 + 20 * seq)


def topic(kind: str = "NDATA", device: str = "") -> str:
    return f"spBv1.0/hall/{kind}/ded-1" + (f"/{device}" if device else "")


def born(sessions: Sessions, payload: bytes | None = None) -> list[Any]:
    return sessions.read(topic("NBIRTH"), birth() if payload is None else payload, 0.0)


def messages(items: Iterable[Observation | Rejected]) -> list[Any]:
    assert not [item for item in items if isinstance(item, Rejected)]
    return [item.message for item in items if isinstance(item, Observation)]


def codes(items: Iterable[Observation | Rejected]) -> list[str]:
    return [item.code for item in items if isinstance(item, Rejected)]


def test_bytes_of_the_specification_are_read() -> None:
    payload = wire.read(BIRTH)
    assert isinstance(payload, Payload), payload
    assert (payload.timestamp_ms, payload.seq) == (1000, 0)
    bdseq, width, layer, laser, note, deep, table = payload.metrics
    assert bdseq == Metric("bdSeq", datatype=4, value=3)
    assert width == Metric("Melt Pool/Width", 1, None, 9, 120.0, properties={"engUnit": "um"})
    assert layer == Metric("Layer", 2, None, 2, -5)
    assert laser == Metric("Laser on", 3, None, 11, None, is_null=True)
    assert (note.value, deep.value, table.value, table.datatype) == ("hi", 1.5, None, 16)
    told = wire.read(DATA)
    assert told == Payload(2000, 1, (Metric(None, 1, 1977, 0, 130.0),))


def test_an_edge_node_of_bytes_made_by_hand_is_heard() -> None:
    sessions = Sessions()
    items = sessions.read(topic("NBIRTH"), BIRTH, 5.0)
    assert codes(items) == ["out_of_range"], "a layer below 0"
    assert [type(item.message) for item in items if isinstance(item, Observation)] == [State, Signal]
    (signal,) = messages(sessions.read(topic(), DATA, 5.0))
    assert (signal.name, signal.sample_time_s, signal.sequence) == ("melt_pool_width_m", [1.977], 1)
    assert signal.value == pytest.approx([130e-6])
    assert signal.sent_s == 2.0


TEXT = st.text(max_size=12)
METRICS = st.builds(
    lambda name, alias, at_ms, typed, flags, unit: Metric(name, alias, at_ms, *typed, *flags, unit),
    TEXT | st.none(), st.none() | st.integers(0, 2**64 - 1), st.none() | st.integers(0, 2**64 - 1),
    st.one_of(
        st.tuples(st.just(1), st.integers(-(2**7), 2**7 - 1)), st.tuples(st.just(2), st.integers(-(2**15), 2**15 - 1)),
        st.tuples(st.just(3), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(4), st.integers(-(2**63), 2**63 - 1)),
        st.tuples(st.just(7), st.integers(0, 2**32 - 1)), st.tuples(st.just(8), st.integers(0, 2**64 - 1)),
        st.tuples(st.just(9), st.floats(width=32, allow_nan=False)), st.tuples(st.just(10), st.floats(allow_nan=False)),
        st.tuples(st.just(11), st.booleans()), st.tuples(st.just(12), TEXT), st.tuples(st.just(13), st.none()),
    ),
    st.tuples(st.booleans(), st.just(False)),
    st.dictionaries(
        TEXT, TEXT | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1), max_size=3
    ),
)  # fmt: skip


@given(st.none() | st.integers(0, 2**64 - 1), st.none() | st.integers(0, 255), st.lists(METRICS, max_size=5))
def test_a_payload_that_is_written_is_read(at_ms: int | None, seq: int | None, metrics: list[Metric]) -> None:
    payload = Payload(at_ms, seq, tuple(metrics))
    assert wire.read(wire.write(payload)) == payload


@settings(max_examples=300)
@given(st.binary(max_size=60), st.data())
def test_whatever_bytes_come_nothing_is_raised(noise: bytes, draw: st.DataObject) -> None:
    sessions = Sessions()
    born(sessions)
    whole = draw.draw(st.sampled_from([birth(), BIRTH, DATA, moved(1), b""]))
    cut = draw.draw(st.integers(0, len(whole)))
    for n, payload in enumerate((noise, whole[:cut] + noise, whole[:cut] + noise + whole[cut:])):
        for kind in ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "NCMD"):
            where = topic(kind, "laser" if kind[0] == "D" else "")
            for item in sessions.read(where, payload, float(n)):
                assert isinstance(item, Observation) or item.code in CODES
    sessions.tick(1e9)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"\x08", "ends inside a number"),
        (b"\x08" + b"\xff" * 11, "longer than 10 bytes"),
        (b"\x12\x05\x0a", "ends inside field 2"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends inside field 2"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x00", "field number 0"),
        (b"\x0a\x01a", "text where a number"),
        (b"\x10\x01", "a number where"),
        (b"\x12\x03\x0a\x01\xff", "utf-8"),
    ],
)
def test_what_is_no_protobuf_says_why(payload: bytes, says: str) -> None:
    fault = wire.read(payload)
    assert isinstance(fault, Fault)
    assert (fault.code, says in fault.reason) == ("not_protobuf", True), fault.reason


def test_more_metrics_than_anybody_has_are_refused() -> None:
    fault = wire.read(b"\x12\x00" * 10_001)
    assert isinstance(fault, Fault)
    assert fault.code == "oversized"


def test_a_birth_says_where_the_build_is_and_everything_becomes_si() -> None:
    state, build, layer, parameters, signal = messages(born(Sessions(), birth([*AXES, *CONSTANTS])))
    assert isinstance(state, State)
    assert state.status == "online"
    assert isinstance(build, Build)
    assert (build.build, build.material) == ("b7", "IN718")
    sizes = (build.beam_diameter_m, build.layer_thickness_m, build.frame_s, build.nominal_scan_speed_m_per_s)
    assert sizes == pytest.approx((8e-4, 4e-4, 0.02, 0.01))
    assert isinstance(layer, Layer)
    assert (layer.build, layer.layer) == ("b7", 3)
    assert isinstance(parameters, Parameters)
    assert (parameters.x_m, parameters.y_m, parameters.z_m, parameters.beam_power_w) == ([1e-3], [2e-3], [0.0], [200.0])
    assert isinstance(signal, Signal)
    assert signal.value == pytest.approx([120e-6])
    assert {m.sequence for m in (state, build, layer, parameters, signal)} == {0}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (metric("Melt Pool/Width", 9, 120.0), "wrong_unit"),
        (metric("Melt Pool/Width", 9, 120.0, unit="s"), "wrong_unit"),
        (metric("Melt Pool/Width", 9, 120.0, unit="furlong"), "wrong_unit"),
        (metric("melt_pool_width", 9, None, datatype=16), "not_supported"),
        (metric("Melt Pool/Width", 9, "wide", unit="um"), "wrong_type"),
        (metric("Melt Pool/Width", 9, float("nan"), unit="um"), "not_a_number"),
        (metric("Laser Power", 9, -1.0, unit="W"), "out_of_range"),
        (metric("Axis/X", 9, 1e9, unit="m"), "out_of_range"),
        (metric("Build", 9, "a/b"), "bad_value"),
    ],
)
def test_what_a_metric_cannot_mean_is_kept_with_its_code(said: Metric, code: str) -> None:
    rest = [each for each in AXES if each.name != said.name]
    items = born(Sessions(), birth([*rest, said]))
    assert code in codes(items), items
    assert isinstance(items[0 if code not in ("wrong_unit", "not_supported") else 1], Observation), "the birth counts"


@pytest.mark.parametrize(
    "said",
    [
        metric("Chiller/Temperature", 9, 20.0, unit="degC"), metric("Vibration/X", 9, 1.0, unit="mm/s"),
        metric("Oil/Level", 9, 3), metric("Chamber/Oxygen", 9, 12.0, unit="ppm"), metric("Job", 9, None, datatype=19),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_counted_and_passed_over(said: Metric) -> None:
    sessions = Sessions()
    before = messages(born(sessions))
    state, *rest = messages(sessions.read(topic("NBIRTH"), birth([*AXES, said], at_ms=1001), 0.0))
    assert state.note == f"NBIRTH 3; not used: {said.name}"
    assert len(rest) == 3
    assert len(before) == 4
    assert sessions.counts.unmapped == 1
    assert messages(sessions.read(topic(), data(1, metric(alias=9, value=1.0)), 0.0)) == []


def test_a_device_is_a_machine_of_its_own() -> None:
    sessions = Sessions()
    born(sessions, birth([]))
    items = sessions.read(topic("DBIRTH", "laser"), wire.write(Payload(1001, 1, tuple(AXES))), 0.0)
    assert {item.machine for item in items if isinstance(item, Observation)} == {"ded-1.laser"}
    assert codes(sessions.read(topic(), data(2, metric(alias=4, value=1.0)), 0.0)) == ["unknown_alias"]
    (signal,) = messages(sessions.read(topic("DDATA", "laser"), data(3, metric(alias=4, value=90.0)), 0.0))
    assert signal.value == pytest.approx([90e-6])
    (dead,) = messages(sessions.read(topic("DDEATH", "laser"), data(4), 0.0))
    assert (dead.status, dead.sequence) == ("offline", 1)
    assert codes(sessions.read(topic("DDATA", "laser"), data(5, metric(alias=4, value=1.0)), 0.0)) == ["not_born"]


def test_a_death_counts_only_for_its_own_life() -> None:
    sessions = Sessions()
    born(sessions)
    sessions.read(topic("DBIRTH", "laser"), wire.write(Payload(1001, 1, tuple(AXES))), 0.0)

    def will(bdseq: int) -> bytes:
        return wire.write(Payload(None, None, (Metric("bdSeq", datatype=4, value=bdseq),)))

    assert sessions.read(topic("NDEATH"), will(2), 9.0) == []
    assert sessions.counts.old_deaths == 1
    dead = messages(sessions.read(topic("NDEATH"), will(3), 9.0))
    assert [(m.status, m.time_s) for m in dead] == [("offline", 9.0)] * 2
    assert codes(sessions.read(topic(), moved(2), 9.0)) == ["not_born"]
    assert sessions.read(topic("NDEATH"), will(3), 9.0) == [], "once"


@pytest.mark.parametrize("kind", ["NDEATH", "NBIRTH"])
def test_what_waits_when_a_life_ends_was_said_and_what_it_waits_for_is_a_gap(kind: str) -> None:
    sessions = Sessions()
    born(sessions)
    for n in (1, 3, 4):
        sessions.read(topic(), moved(n), 0.0)
    last = wire.write(Payload(None, None, (Metric("bdSeq", datatype=4, value=3),)))
    ends = messages(sessions.read(topic(kind), last if kind == "NDEATH" else birth(at_ms=2000, bdseq=4), 0.5))
    assert [m.sequence for m in ends if isinstance(m, Parameters)][:2] == [3, 4], "the one that is lost is left out"
    assert [m.status for m in ends if isinstance(m, State)] == ["offline" if kind == "NDEATH" else "online"]
    (gap,) = sessions.gaps()
    assert (gap.first_sequence, gap.last_sequence) == (2, 2)
    assert sessions.counts.lost == 1
    assert sessions.tick(9.0) == []


def test_the_count_runs_over_255_without_a_gap() -> None:
    sessions = Sessions()
    first = messages(born(sessions))
    told = [m for n in range(1, 700) for m in messages(sessions.read(topic(), moved(n), 0.0))]
    parameters = [m for m in [*first, *told] if isinstance(m, Parameters)]
    assert [m.sequence for m in parameters] == list(range(700))
    assert parameters[-1].x_m == pytest.approx([1e-3 * (1.0 + 0.2 * 699)])
    assert (sessions.gaps(), sessions.needs(), sessions.counts.lost) == ([], [], 0)


def test_messages_that_overtake_each_other_are_put_in_order_and_said_again_count_once() -> None:
    sessions = Sessions()
    born(sessions)
    told = [m for n in (2, 3, 1, 1, 5, 5, 4, 2) for m in messages(sessions.read(topic(), moved(n), 0.0))]
    assert [m.sequence for m in told] == [1, 2, 3, 4, 5]
    assert [m.sample_time_s for m in told] == [[1.0 + 0.02 * n] for n in range(1, 6)]
    assert (sessions.counts.duplicates, sessions.counts.lost, sessions.needs()) == (3, 0, [])
    assert sessions.read(topic("NBIRTH"), birth(), 0.0) == [], "the same birth again"


def test_a_lost_message_is_a_gap_a_need_and_a_hole_in_every_channel() -> None:
    sessions, order = Sessions(reorder_s=2.0), Order(patience_s=1.0)
    items = born(sessions, birth([*AXES, *CONSTANTS]))
    for n in (*range(1, 250), *range(253, 300)):
        items += sessions.read(topic(), moved(n), 10.0)
    assert sessions.gaps() == []
    items += sessions.tick(11.9)
    items += sessions.tick(12.0)
    (gap,) = sessions.gaps()
    assert (gap.machine, gap.channel, gap.first_sequence, gap.last_sequence) == ("ded-1", "sparkplug", 250, 252)
    assert [need.reason for need in sessions.needs()] == ["3 messages lost"]
    assert sessions.read(topic(), moved(251), 12.0) == []
    assert (sessions.counts.lost, sessions.counts.late) == (3, 1)
    items += [item for n in range(300, 400) for item in sessions.read(topic(), moved(n), 12.0)]
    windows = [w for item in items if isinstance(item, Observation) for w in order.add(item, 12.0)]
    windows += order.tick(20.0)
    assert [(g.channel, g.first_sequence, g.last_sequence) for g in order.gaps()] == [("parameters", 250, 250)]
    broken = [w for w in windows if w.gap]
    assert broken
    assert all(w.end_s > 1.0 + 0.02 * 248 and w.start_s < 1.0 + 0.02 * 254 for w in broken), "and only over the hole"


def test_an_unknown_alias_keeps_the_message_and_uses_what_is_known() -> None:
    sessions = Sessions()
    born(sessions)
    items = sessions.read(topic(), data(1, metric(alias=77, value=1.0), metric(alias=4, value=90.0)), 5.0)
    assert codes(items) == ["unknown_alias"]
    assert [m.value for m in (i.message for i in items if isinstance(i, Observation))] == [pytest.approx([90e-6])]
    assert [need.node for need in sessions.needs()] == ["ded-1"]
    sessions.read(topic(), data(2, metric(alias=77, value=1.0)), 6.0)
    assert sessions.needs() == [], "not more often than every ten seconds"
    sessions.read(topic(), data(3, metric(alias=77, value=1.0)), 16.0)
    assert len(sessions.needs()) == 1


def test_the_same_messages_give_the_same_keys_and_no_two_lives_share_one() -> None:
    def life(**given: Any) -> list[tuple[str, str, int]]:
        sessions = Sessions()
        items = born(sessions, birth([*AXES, *CONSTANTS], **given))
        items += [item for n in range(1, 300) for item in sessions.read(topic(), moved(n), 3.0)]
        return [item.key for item in items]

    assert life() == life()
    lives = [life(), life(at_ms=1001), life(bdseq=4)]
    assert len({key for keys in lives for key in keys}) == sum(len(keys) for keys in lives)
    assert {source.partition("#")[0] for keys in lives for source, _, _ in keys} == {lives[0][0][0].partition("#")[0]}


@given(st.lists(st.text(min_size=1, max_size=100), min_size=1, max_size=2))
def test_every_name_becomes_one_of_ours(parts: list[str]) -> None:
    name = name_of(*parts)
    assert decode(f"meltwin/v1/s/{name}/state", b"{}").code == "missing_field"  # type: ignore[union-attr]
    assert name_of("a b") != name_of("a_b") != name_of("a:b")


@pytest.mark.parametrize(
    "wrong",
    ["spBv1.0/g/NDATA", "spBv1.0/g/NDATA/n/d", "spBv1.0/g/DDATA/n", "spBv1.0/g/XDATA/n", "spBv1.0//NDATA/n",
     "spBv1.0/g/NDATA/n/d/e", "spAv1.0/g/NDATA/n", "spBv1.0/+/NDATA/n"],
)  # fmt: skip
def test_topics_that_sparkplug_does_not_have(wrong: str) -> None:
    assert parse(wrong) is None
    assert codes(Sessions().read(wrong, DATA, 0.0)) == ["bad_topic"]


def test_a_host_says_its_state_in_json() -> None:
    state = HostState(True, 1700000000000)
    assert wire.read_host_state(wire.write_host_state(state)) == state
    assert wire.read_host_state(b'{"online":true,"timestamp":5}') == HostState(True, 5)
    for bad in (b"ONLINE", b'{"online":1,"timestamp":5}', b"[" * 900, b'{"online":true}'):
        assert isinstance(wire.read_host_state(bad), Fault)
    assert Sessions().read("spBv1.0/STATE/scada", b'{"online":true,"timestamp":5}', 0.0) == []


REBIRTH = bytes.fromhex(  # NCMD: 1000 ms; Node Control/Rebirth at 1000 ms, Boolean, true
    "08 e8 07  12 1d  0a 14 4e 6f 64 65 20 43 6f 6e 74 72 6f 6c 2f 52 65 62 69 72 74 68  18 e8 07  20 0b  70 01"
)


def test_the_request_is_that_of_the_specification() -> None:
    assert rebirth_request(1.0) == REBIRTH
    assert rebirth_topic("hall", "ded-1") == "spBv1.0/hall/NCMD/ded-1"


def in_need(ask: Callable[[str, str, float], None] | None) -> Stage:
    stage = Stage(ask)
    assert codes(stage.read(topic(), moved(1), 50.0)) == ["not_born"]
    return stage


def test_a_need_is_an_alert_until_the_birth_and_nothing_is_said_unless_it_is_allowed() -> None:
    stage = in_need(None)
    (alert,) = stage.alerts(50.0)
    assert (alert.machine, alert.kind, alert.raised) == ("ded-1", "rebirth_needed", True)
    assert "Ask the edge node" in alert.action
    assert stage.ask() == 0
    assert stage.alerts(51.0) == []
    stage.read(topic("NBIRTH"), birth(), 60.0)
    (cleared,) = stage.alerts(60.0)
    assert (cleared.key, cleared.cleared_s, cleared.first_seen_s) == (alert.key, 60.0, 50.0)


def test_where_it_is_allowed_one_request_goes_to_the_node_after_the_step() -> None:
    sent: list[tuple[str, str, float]] = []
    stage = in_need(lambda *need: sent.append(need))
    assert stage.ask() == 0, "not before the step is told"
    stage.alerts(50.0)
    assert stage.ask() == 1
    assert sent == [("hall", "ded-1", 50.0)]
    assert stage.ask() == 0
