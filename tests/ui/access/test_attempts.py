"""Laws of waiting after wrong passwords."""

from pathlib import Path

from ui.access.attempts import FREE, Attempts

HOUR_S = 3600.0
ROOT = Path(__file__).parents[3]


def test_five_are_free_and_then_each_waits_longer_up_to_a_minute() -> None:
    attempts, now_s, waits = Attempts(), 0.0, []
    for number in range(14):
        while (wait_s := attempts.begin("ada", f"10.0.0.{number}", now_s)) > 0:
            waits.append(wait_s)
            now_s += wait_s
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert attempts.begin("eve", "10.0.0.99", now_s) == 0.0, "only whose name it is waits"


def test_an_address_that_tries_many_names_waits_too() -> None:
    attempts = Attempts()
    tried = [attempts.begin(f"name{number}", "10.0.0.1", 0.0) for number in range(30)]
    assert tried[: FREE["address"]] == [0.0] * FREE["address"]
    assert all(wait_s > 0 for wait_s in tried[FREE["address"] :])
    assert attempts.begin("name0", "10.0.0.2", 0.0) == 0.0


def test_many_at_once_are_no_way_around() -> None:
    attempts = Attempts()
    assert sum(attempts.begin("ada", f"10.0.{n}.1", 0.0) == 0.0 for n in range(100)) == FREE["name"]


def test_success_frees_the_name_but_is_no_excuse_for_an_address() -> None:
    attempts = Attempts()
    for _ in range(4):
        attempts.begin("ada", "10.0.0.1", 0.0)
    attempts.begin("ada", "10.0.0.1", 0.0)
    attempts.succeeded("ada", "10.0.0.1")
    assert attempts.begin("ada", "10.0.0.2", 0.0) == 0.0
    guesses = 0
    for number in range(200):  # guess once, sign in by one's own name, guess again
        guesses += attempts.begin(f"victim{number}", "10.0.0.9", 0.0) == 0.0
        if attempts.begin("mallory", "10.0.0.9", 0.0) == 0.0:
            attempts.succeeded("mallory", "10.0.0.9")
    assert guesses == FREE["address"]


def test_what_is_long_ago_is_forgotten_and_a_clock_set_back_does_not_shut_out() -> None:
    attempts = Attempts()
    for _ in range(5):
        attempts.begin("ada", "10.0.0.1", 1e6)
    assert attempts.begin("ada", "10.0.0.2", 1e6 + 900.0) == 0.0
    for _ in range(5):
        attempts.begin("eve", "10.0.0.3", 1e6)
    assert attempts.begin("eve", "10.0.0.3", 0.0) <= 60.0


def test_memory_is_bounded() -> None:
    attempts = Attempts(most=100)
    for number in range(10_000):
        attempts.begin(f"{number}" * 1000, f"10.{number}", 0.0)
    assert len(attempts) <= 100
