"""Alarms: raised once, seen again, calmed down; what chatters becomes one alert that stays."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts import store_cases as case
from twin.alarms.alarms import CALM_S, MOST_CALM_S, REPEAT_S, Alarms
from twin.alarms.risks import ENDED, Risk, balling
from twin.forecast import Alert, MeltPool, Outcome
from twin.store.fake.store import FakeStore
from twin.store.port import Step


def risk(share: float, severity: str = "medium", kind: str = "keyhole") -> Risk:
    return Risk(kind, share, severity, f"{share:.2f}", "look")  # type: ignore[arg-type]


def step(of: Alarms, now_s: float, *shares: float, outcome: Outcome | None = None) -> list[Alert]:
    forecast = case.forecast(int(now_s * 10), outcome=outcome or Outcome())
    return of.step([(forecast, [risk(share) for share in shares])], now_s)


def test_raised_once_then_seen_then_cleared_and_its_first_second_stays() -> None:
    of = Alarms()
    told = [alert for n in range(5) for alert in step(of, float(n), 1.2)]
    assert [alert.raised for alert in told] == [True, False, False, False, False]
    assert {alert.first_seen_s for alert in told} == {0.0}
    assert [alert.last_seen_s for alert in told] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert step(of, 4.0 + CALM_S, 0.1) == []
    (over,) = step(of, 4.1 + CALM_S, 0.1)
    assert (over.cleared_s, over.last_seen_s) == (4.1 + CALM_S, 4.0)


def test_a_risk_is_on_at_its_limit_and_off_below_a_deadband() -> None:
    of = Alarms()
    assert step(of, 0.0, 0.999) == []
    assert len(step(of, 1.0, 1.0)) == 1
    for n in range(2, 60):  # around the limit for a minute: one alert
        (told,) = step(of, float(n), 0.97 if n % 2 else 1.01)
        assert (told.first_seen_s, told.cleared_s) == (1.0, None)
    last_s = 59.0
    assert step(of, last_s + CALM_S + 1, ENDED - 0.001)[0].cleared_s


def test_evidence_below_the_limit_says_until_where_the_alert_stands() -> None:
    of, said = Alarms(), []
    for n, length_um in enumerate((800.0, 740.0, 790.0)):
        pool = MeltPool(length_um * 1e-6, 100e-6, 50e-6)
        (told,) = of.step([(case.forecast(n), [balling(pool)])], float(n))
        said.append(told.evidence)
    over = "the melt pool is 8.0 times as long as wide; good tracks reach 7.6"
    within = "the melt pool is 7.4 times as long as wide; good tracks reach 7.6; stands until below 7.2"
    assert said == [over, within, over.replace("8.0", "7.9")]


def raises(period_s: float, hours: float = 1.0) -> list[Alert]:
    """A cause that comes for an instant every so often."""
    of, told, now_s = Alarms(), [], 0.0
    while now_s < 3600 * hours:
        told += step(of, now_s, 1.5)
        for part in range(1, 20):
            told += step(of, now_s + part * period_s / 20, 0.0)
        now_s += period_s
    return [alert for alert in told if alert.raised]


def test_what_chatters_becomes_one_alert_that_stays() -> None:
    assert len(raises(5.0)) == 1
    assert len(raises(15.0)) <= 3, "without it 240 in an hour"
    assert len(raises(60.0)) <= 5
    assert len(raises(2 * REPEAT_S, 4.0)) == 12, "what is rare is raised anew each time"
    assert len(raises(2 * MOST_CALM_S - 60, 4.0)) <= 30


def test_a_cause_that_gets_worse_makes_its_alert_worse_and_never_less() -> None:
    of = Alarms()
    forecast = case.forecast(0)
    severities = [
        of.step([(forecast, [risk(1.1, severity, "lack_of_fusion")])], float(n))[0].severity
        for n, severity in enumerate(("low", "medium", "low", "high", "medium"))
    ]
    assert severities == ["low", "medium", "medium", "high", "high"]


def test_every_outcome_that_is_not_ok_is_told_and_as_a_sentence() -> None:
    of = Alarms()
    (told,) = step(of, 0.0, outcome=Outcome("outside_envelope", "scan speed", -0.0056, "m/s"))
    assert (told.kind, told.evidence) == ("outside_envelope", "scan speed 0.0056 m/s below the trained range")
    assert step(Alarms(), 0.0, outcome=Outcome("non_finite", "temperature", 3.0, "nodes"))[0].severity == "medium"
    assert step(Alarms(), 0.0) == []
    own = replace(
        case.forecast(0, outcome=Outcome("unfamiliar", "expected error", 0.4)), evidence="expected error 40 %"
    )
    assert Alarms().step([(own, [])], 0.0)[0].evidence == "expected error 40 %", "what a score says of itself"


def test_what_an_earlier_run_left_open_goes_on() -> None:
    of = Alarms()
    of.take_up([case.alert("keyhole", first_seen_s=1.0, last_seen_s=2.0, count=3)])
    (told,) = step(of, 50.0, 0.97)
    assert (told.first_seen_s, told.last_seen_s, told.count) == (1.0, 50.0, 3), "also within the deadband"


def test_machines_are_calmed_by_their_own_frames() -> None:
    of = Alarms()
    step(of, 0.0, 1.5)
    other = replace(case.forecast(1), machine="m2")
    assert of.step([(other, [])], 100.0) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.1, 40.0)), max_size=80))
def test_in_the_store_one_is_open_at_most_and_each_end_is_kept(said: list[tuple[float, float]]) -> None:
    of, store, now_s, raised = Alarms(), FakeStore(), 0.0, 0
    for share, wait_s in said:
        now_s += wait_s
        told = step(of, now_s, share)
        raised += sum(alert.raised for alert in told)
        store.write(Step(alerts=told))
        assert len(store.alerts(open_only=True)) <= 1
    for n in range(1, 4):
        store.write(Step(alerts=step(of, now_s + n * MOST_CALM_S, 0.0)))
    assert store.alerts(open_only=True).empty
    acts = store.alert_acts().act.tolist()
    assert acts.count("raised") == acts.count("cleared") == raised == len(store.alerts())
