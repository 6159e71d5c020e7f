"""Asking why: a row of `requests` of the kind `attribution`, a look at it, and taking it back. `run` answers it
(`deploy/answers.py`); nothing is worked out here."""

import json
from typing import Any

import pandas as pd
from plotly.io.json import to_json_plotly

from twin.attribution.because import OFS
from twin.store.requests import Request
from ui.desk import Desk
from ui.doing import Doing, RefusedError, Said, number, text
from ui.figures import DARK, LIGHT, LengthUnit
from ui.pages import because
from ui.words import unit_of

KIND = "attribution"
DEADLINE_S = 30.0  # an answer takes some seconds, and forecasts nine times as long before the next
FRAME = ("machine", "build", "layer", "frame")


def ask(desk: Desk, by: str, said: Said) -> Said:
    """Ask why a frame's forecast says what it says: `of` a number, at the lead nearest to `lead_s`. Without a frame,
    the newest forecast of the machine. Gives the request's number and the frame."""
    machine, of = text(said, "machine", most=256), text(said, "of", most=32)
    if of not in OFS:
        raise RefusedError(f"of must be one of {', '.join(OFS)}")
    about: dict[str, Any] = {"machine": machine}
    if said.get("frame") is None:
        newest = desk.store.latest_forecast(machine)
        if newest is None:
            raise RefusedError("There is no forecast of this machine yet.")
        about |= {name: newest[name] for name in FRAME}
        time_s = float(newest["time_s"])
    else:
        about |= {"build": text(said, "build", most=256)}
        about |= {name: int(number(said, name, low=0, high=1e12)) for name in ("layer", "frame")}
        time_s = number(said, "time_s", low=-1e12, high=1e12)
    lead_s, now_s = number(said, "lead_s", low=0.0, high=1e6), desk.now_s()
    asked = about | {"of": of, "lead_s": lead_s}
    request = desk.asks.ask(KIND, asked, who=by, now_s=now_s, deadline_s=now_s + DEADLINE_S)
    return {"request": request, "time_s": time_s} | about


def look(desk: Desk, by: str, said: Said) -> Said:
    """How far a request is: `ended`, and what to show of it as props of components."""
    del by
    request, now_s = _request(desk, said), desk.now_s()
    palette = DARK if said.get("scheme") == "dark" else LIGHT
    props = because.shown(request, now_s, _unit(desk, request), palette)
    return {"ended": because.over(request, now_s), "props": json.loads(to_json_plotly(props))}


def withdraw(desk: Desk, by: str, said: Said) -> Said:
    """Take back what nobody has begun to answer: who asked does not wait any more."""
    del by
    return {"withdrawn": desk.asks.withdraw(_request(desk, said).id, desk.now_s())}


def _request(desk: Desk, said: Said) -> Request:
    found = desk.asks.request(int(number(said, "request", low=0, high=1e15)))
    if found is None or found.kind != KIND:
        raise RefusedError("There is no such question.")
    return found


def _unit(desk: Desk, request: Request) -> LengthUnit:
    """The unit of the machine's page; asked only where there is something to draw."""
    if request.answer is None:
        return unit_of("lpbf", pd.DataFrame())
    rows = desk.store.machines().set_index("machine")
    machine = request.arguments.get("machine")
    process = rows["process"].get(machine) if machine in rows.index else None
    return unit_of(process, pd.DataFrame())


DOINGS = (
    Doing("ask_attribution", "ask", ask),
    Doing("look_attribution", "read", look),
    Doing("withdraw_attribution", "ask", withdraw),
)
