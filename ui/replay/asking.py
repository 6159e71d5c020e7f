"""Asking for a forecast again: a row of `requests` of the kind `reforecast`, and a look at it. `run` answers it
(`deploy/reforecast.py`); nothing is worked out here."""

from typing import Any

from twin.store.requests import Request
from ui.desk import Desk
from ui.doing import Doing, RefusedError, Said, number, text
from ui.words import ago

KIND = "reforecast"
DEADLINE_S = 1800.0
LATE_S = 15.0  # nobody has taken it up for so long: is `run` there?
FACTORS = ("power", "speed", "absorptivity")
LEAST, MOST = 50.0, 200.0  # per cent
MOST_FRAMES = 5000


def ask(desk: Desk, by: str, said: Said) -> Said:
    """Ask for frames of a layer from a moment on, by an operator, with factors in per cent. Gives the request's id."""
    asked: dict[str, Any] = {name: text(said, name, most=256) for name in ("machine", "build", "operator")}
    asked["layer"] = int(number(said, "layer", low=0, high=1e12))
    asked["from_s"] = number(said, "from_s", low=-1e15, high=1e15)
    asked["frames"] = int(number(said, "frames", low=1, high=MOST_FRAMES))
    asked |= {name: number(said, name, low=LEAST, high=MOST) / 100 for name in FACTORS}
    now_s = desk.now_s()
    return {"request": desk.asks.ask(KIND, asked, who=by, now_s=now_s, deadline_s=now_s + DEADLINE_S)}


def look(desk: Desk, by: str, said: Said) -> Said:
    """How far a request is: `share`, `ended`, words, and the name of the opinion once it is there."""
    del by
    request = desk.asks.request(int(number(said, "request", low=0, high=1e15)))
    if request is None or request.kind != KIND:
        raise RefusedError("There is no such question.")
    opinion = str((request.answer or {}).get("opinion", ""))
    return {
        "share": request.progress, "ended": request.ended, "said": told(request, desk.now_s()), "opinion": opinion
    }  # fmt: skip


def withdraw(desk: Desk, by: str, said: Said) -> Said:
    """Take back what nobody has begun to answer."""
    del by
    number_ = int(number(said, "request", low=0, high=1e15))
    return {"withdrawn": desk.asks.withdraw(number_, desk.now_s())}


def told(request: Request, now_s: float) -> str:
    """Where a request stands, for who asked."""
    waited_s = now_s - request.asked_s
    match request.state:
        case "waiting" if waited_s > LATE_S:
            return f"Nobody has taken it up for {ago(waited_s)}: is ./meltwin run there?"
        case "waiting":
            return "Asked; it waits for the twin."
        case "claimed":
            return f"{request.progress:.0%} done; live forecasting goes first."
        case "done":
            return f"{(request.answer or {}).get('frames', 0):,} frames: {(request.answer or {}).get('opinion', '')}"
        case _:
            return f"Not done: {request.error}."


DOINGS = (
    Doing("ask_reforecast", "ask", ask),
    Doing("look_reforecast", "ask", look),
    Doing("withdraw_reforecast", "ask", withdraw),
)
