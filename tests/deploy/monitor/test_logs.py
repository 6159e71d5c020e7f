"""Logs: one line an event, no secret in any of them, and what repeats is told seldom."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest
import structlog
from pydantic import SecretStr

from deploy.monitor.logs import Seldom, as_json, configure, without_secrets
from twin.clock import FakeClock

PLANTED = "planted-hunter2"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_an_event_is_one_line_of_json_with_its_fields_and_the_clocks_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info", FakeClock(1_000_000_000.25))
    log = structlog.get_logger()
    log.warning("gap", machine="m1", build="b", first_sequence=3)
    log.debug("too small")
    (line,) = lines(capsys)
    assert json.loads(line) == {
        "at": "2001-09-09T01:46:40.250Z", "level": "warning", "event": "gap", "machine": "m1", "build": "b",
        "first_sequence": 3,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_in_a_line_whatever_it_stands_in(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(form, "debug", FakeClock())  # type: ignore[arg-type]
    log = structlog.get_logger()
    url = f"postgresql+psycopg://me:{PLANTED}@db/meltwin"
    log.error(f"cannot reach {url}", password=PLANTED, mqtt_password=PLANTED, api_token=PLANTED, url=url)
    log.info(
        "nested", given={"secret": PLANTED, "urls": [url, (url,)]}, secretstr=SecretStr(PLANTED), key=SecretStr(PLANTED)
    )
    log.info("text", why=f"connection to db failed: password={PLANTED} user=me", error=ValueError(url))
    logging.getLogger("some.library").warning("could not open %s", url)
    said = lines(capsys)
    assert len(said) == 4
    assert not [line for line in said if PLANTED in line]
    assert "db/meltwin" in said[0]


def test_a_librarys_line_has_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info", FakeClock())
    logging.getLogger("some.library").error("it is %s", "broken")
    (line,) = lines(capsys)
    assert {"level": "error", "event": "it is broken", "library": "some.library"}.items() <= json.loads(line).items()


@pytest.mark.parametrize("form", ["json", "console"])
def test_text_from_outside_cannot_begin_a_line_of_its_own(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(form, "info", FakeClock())  # type: ignore[arg-type]
    structlog.get_logger().info("rejected", topic="a\n02:00:00 error forged \x1b[2J", reason="b\r\nc")
    (line,) = lines(capsys)
    assert "\x1b" not in line


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    configure("json", "info", FakeClock())
    full = open("/dev/full", "w")  # noqa: SIM115
    monkeypatch.setattr("sys.stderr", full)
    structlog.get_logger().info("said into nothing")
    monkeypatch.undo()
    with suppress(OSError):
        full.close()


def test_on_a_terminal_lines_are_for_people_and_elsewhere_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal, raising=False)
        assert as_json("auto") is not terminal
    assert as_json("json")
    assert not as_json("console")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sqlite:////data/meltwin.db", "sqlite:////data/meltwin.db"),
        ("postgresql://me:a:b@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("at 12:00 in m@1", "at 12:00 in m@1"),
        ("host=db password = 'x y' user=me", "host=db password = *** user=me"),
        ('{"password": "x y", "user": "me"}', '{"password": ***, "user": "me"}'),
    ],
)
def test_a_text_keeps_all_but_its_passwords(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_what_repeats_is_told_once_a_minute_with_how_often_it_was_left_out() -> None:
    seldom = Seldom(every_s=60.0, most=3)
    told = [seldom.asks("a", float(second)) for second in range(125)]
    assert [answer for answer in told if answer is not None] == [0, 59, 59]
    assert [second for second, answer in enumerate(told) if answer is not None] == [0, 60, 120]
    for number in range(1000):
        seldom.asks(number, 125.0)
    assert len(seldom._told) == 3
