"""Floods: more than ten alerts in ten minutes are grouped by kind, and the counts add up."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.alarms.flood import BEGINS, ENDS, SPAN_S, Flood
from twin.forecast import Alert


def raised(kind: str, now_s: float, machine: str = "m") -> Alert:
    return Alert(machine, "b", kind, "medium", 1, None, None, now_s, now_s, "seen", "look")


def many(flood: Flood, how_many: int, machine: str = "m") -> list[Alert]:
    """So many kinds, one a second, each over at once."""
    told = []
    for n in range(how_many):
        first = raised(f"k{n}", float(n), machine)
        told += flood.step([first], float(n))
        told += flood.step([replace(first, cleared_s=n + 0.5)], n + 0.5)
    return told


def test_ten_in_ten_minutes_are_no_flood_and_eleven_are_and_it_is_said() -> None:
    assert all(alert.kind != "flood" for alert in many(Flood(), BEGINS))
    flood = Flood()
    told = many(flood, BEGINS + 1)
    (said,) = [alert for alert in told if alert.kind == "flood"]
    assert (said.raised, said.machine, said.build) == (True, "m", "b")
    assert said.evidence.startswith("11 alarms in 10 minutes")


def test_advisories_make_no_flood() -> None:
    flood, told = Flood(), list[Alert]()
    for n in range(5 * BEGINS):
        told += flood.step([replace(raised(f"k{n}", float(n)), severity="low")], float(n))
    again = Flood()
    again.take_up(told)
    assert [alert.kind for alert in (*told, *again.step([], 5.0 * BEGINS)) if alert.kind == "flood"] == []


def test_in_a_flood_what_comes_back_is_counted_and_not_raised() -> None:
    flood = Flood()
    many(flood, BEGINS + 1)
    words = []
    for n in range(5):
        at_s = 20.0 + 2 * n
        words += flood.step([raised("k3", at_s)], at_s)
        words += flood.step([replace(raised("k3", at_s), cleared_s=at_s + 1)], at_s + 1)
    mine = [word for word in words if word.kind == "k3"]
    assert {word.first_seen_s for word in mine} == {20.0}, "one alert"
    assert [word.count for word in mine] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert all(word.cleared_s is None for word in mine)


def test_when_the_flood_is_over_what_is_over_is_cleared() -> None:
    flood = Flood()
    many(flood, BEGINS + 1)
    still = raised("stays", 30.0)
    flood.step([still, raised("goes", 30.0)], 30.0)
    assert flood.step([replace(raised("goes", 30.0), cleared_s=31.0)], 31.0)[0].cleared_s is None
    told = flood.step([replace(still, last_seen_s=700.0)], 700.0)
    assert {alert.kind: alert.cleared_s for alert in told} == {
        "stays": None,
        "goes": 700.0,
        "flood": 700.0,
        "k10": 700.0,
    }


def test_machines_flood_each_for_itself() -> None:
    flood = Flood()
    many(flood, BEGINS + 1, "a")
    (calm,) = flood.step([replace(raised("x", 50.0, "z"), cleared_s=51.0)], 51.0)
    assert calm.cleared_s == 51.0


def test_after_a_restart_the_flood_goes_on() -> None:
    flood = Flood()
    told = {alert.key: alert for alert in many(flood, BEGINS + 1)}
    again = Flood()
    again.take_up(list(told.values()))
    first = raised("k10", 40.0)
    assert again.step([replace(first, cleared_s=41.0)], 41.0)[0].cleared_s is None, "nothing is cleared in a flood"
    assert [a.count for a in again.step([raised("k10", 42.0)], 42.0) if a.kind == "k10"] == [2]
    assert any(a.kind == "flood" and a.cleared_s for a in again.step([], 42.0 + SPAN_S))


def test_a_flood_that_an_earlier_run_left_ends_also_if_nothing_else_is_known() -> None:
    flood = Flood()
    flood.take_up([raised("flood", 1.0)])
    (over,) = flood.step([], 5000.0)
    assert (over.kind, over.first_seen_s, over.cleared_s) == ("flood", 1.0, 5000.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.floats(0.1, 60.0)), max_size=200))
def test_counts_add_up_and_nothing_is_lost(said: list[tuple[int, bool, float]]) -> None:
    """Whatever is raised and cleared: the sum of the counts of all occurrences is how often something was raised."""
    flood, now_s, open_ones = Flood(), 0.0, dict[int, Alert]()
    raises, counts = 0, dict[tuple[str, float], int]()

    def keep(words: list[Alert]) -> None:
        for word in words:
            if word.kind != "flood":
                counts[word.kind, word.first_seen_s] = word.count

    for number, clears, wait_s in said:
        now_s += wait_s
        if number not in open_ones:
            open_ones[number] = raised(f"k{number}", now_s)
            raises += 1
        word = replace(open_ones[number], last_seen_s=now_s, cleared_s=now_s if clears else None)
        if clears:
            del open_ones[number]
        keep(flood.step([word], now_s))
    assert sum(counts.values()) == raises
    over = flood.step([], now_s + 2 * SPAN_S)
    assert all(word.cleared_s is not None for word in over)
    assert set(flood._open) == {("m", "b", f"k{number}") for number in open_ones}, "what is over ends with the flood"
    assert ENDS < BEGINS
