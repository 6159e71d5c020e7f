"""Progress: what a session shows. On a terminal a table that stays in place; elsewhere a line now and then."""

from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.ports import HERE, answers
from deploy.run import RunLoop
from twin.clock import Clock, SystemClock

REFRESH_S = 0.25
LINE_S = 5.0


class Progress:
    """Call it after every turn; it decides when to draw. `page_port`: the address of the page is told when it answers
    there, for whoever opens it before finds nothing."""

    def __init__(self, title: str, page_port: int | None = None, clock: Clock | None = None) -> None:
        self._title = title
        self._page_port = page_port
        self._clock = clock or SystemClock()
        self._console = Console(stderr=True)
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        )
        self._drawn_s = -1e9
        self._line = ""

    def __call__(self, loop: RunLoop, said: dict[str, Any]) -> None:
        now_s = self._clock.now_s()
        if now_s - self._drawn_s < (REFRESH_S if self._live else LINE_S):
            return
        self._drawn_s = now_s
        if self._page_port is not None and answers(self._page_port):
            self._title += f"; the page: http://{HERE}:{self._page_port}"
            self.say(f"The page: http://{HERE}:{self._page_port}")
            self._page_port = None
        if self._live:
            self._live.update(Group(Text(self._title), _table(loop), Text(_line(loop, said))), refresh=True)
        elif (line := _line(loop, said)) != self._line:
            self._line = line
            self.say(line)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, highlight=False, soft_wrap=True)

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        else:
            self.say(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()


def pace(time_factor: float) -> str:
    """A time factor in words: `real time`, `slow motion 1 : 1600`, `fast 10 : 1`."""
    if time_factor == 1:
        return "real time"
    return f"slow motion 1 : {1 / time_factor:,.0f}" if time_factor < 1 else f"fast {time_factor:,.0f} : 1"


def _table(loop: RunLoop) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("machine", "process", "pace", "frames", "process time", "outcome now"):
        table.add_column(name, justify="right" if name in ("frames", "process time") else "left")
    for machine, state in sorted(loop.states.items()):
        tally = loop.tally
        table.add_row(
            machine,
            state.process or "",
            pace(state.time_factor),
            f"{tally.frames[machine]:,}",
            f"{tally.process_s[machine]:.4g} s",
            tally.outcome_now.get(machine, ""),
        )
    return table


def _line(loop: RunLoop, said: dict[str, Any]) -> str:
    tally, latency = loop.tally, loop.tally.latency_ms()
    wait = f", latency p50 {latency['p50']:.0f} ms p95 {latency['p95']:.0f} ms" if latency["p50"] is not None else ""
    waits = "".join(f"; WAITS ({kind}): {why}" for kind, why in loop.waits.items())
    outcomes = ", ".join(f"{count:,} {kind}" for kind, count in tally.outcomes.most_common())
    return (
        f"published {said.get('messages_published', 0):,}, committed {tally.messages_committed:,}, "
        f"rejected {tally.rejected:,}, frames forecast {tally.frames_forecast:,} ({outcomes or 'none yet'})"
        f"{wait}{waits}"
    )
