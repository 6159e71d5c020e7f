"""What a session shows: lines that say something new, and the page's address when the page answers there."""

import socket
from contextlib import closing
from typing import Any

import pytest

from deploy.ports import answers, free_port
from deploy.progress import LINE_S, Progress
from deploy.report import Tally
from twin.clock import FakeClock


class Loop:
    """As much of a run loop as is shown."""

    def __init__(self) -> None:
        self.tally, self.waits, self.states = Tally(), {}, {}  # type: ignore[var-annotated]


def test_the_address_is_told_once_and_not_before_the_page_answers(capsys: pytest.CaptureFixture[str]) -> None:
    port, clock, loop = free_port(), FakeClock(100.0), Loop()
    progress: Any = Progress("Demo", port, clock)
    with progress:
        for _ in range(2):
            progress(loop, {})
            clock.sleep_s(LINE_S)
        assert str(port) not in capsys.readouterr().err
        with closing(socket.create_server(("127.0.0.1", port))):
            assert answers(port)
            for _ in range(3):
                progress(loop, {})
                clock.sleep_s(LINE_S)
    assert capsys.readouterr().err.splitlines() == [f"The page: http://127.0.0.1:{port}"]


def test_a_line_is_told_again_only_when_it_says_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    clock, loop = FakeClock(100.0), Loop()
    progress: Any = Progress("Demo", clock=clock)
    for published in (1, 1, 2, 2, 2):
        progress(loop, {"messages_published": published})
        clock.sleep_s(LINE_S)
    told = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in told] == ["published 1", "published 2"]
