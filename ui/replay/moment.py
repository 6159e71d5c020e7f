"""Moment: the rows of a machine's page as they were at one moment of a stored build. No drawing here, and no physics.

What came later is not in it, but for `Fresh.came`: what was observed and estimated in the time that the forecast of the
moment spoke of. The wall clock of the moment is that of its newest forecast, so that ages are those of then.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from twin.course import Course, Here
from twin.store.port import Store
from ui.snapshot import FRAMES, INFERRED, PATH_FRAMES, SIGNAL_SAMPLES, Fresh, Slow, Snapshot, number

COURSE_KEPT_S = 15.0  # of a build that goes on: so old its timeline may be
ENDED_KEPT_S = 300.0
NOTES_KEPT_S = 5.0
KEPT = 24  # courses, plans and paths held in memory
END_S = 1e300
PATH_SAMPLES = 400  # of where the beam went, in a build without forecasts


@dataclass(frozen=True)
class Moment:
    """`snapshot` as of `at_s` (process time). `frame_s`: process time of the frame that is shown; `before_s`,
    `after_s`: of the frames to step to."""

    at_s: float
    here: Here
    snapshot: Snapshot
    frame: int | None = None
    frame_s: float | None = None
    before_s: float | None = None
    after_s: float | None = None
    path: pd.DataFrame | None = None  # where the beam went, where no frame was forecast


class Recall:
    """Reads moments out of one store. One caller at a time; what does not change is kept for a while."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def course(self, machine: str, build: str, now_s: float) -> Course:
        """How the build went; of one that goes on, as it was a few seconds ago."""
        key = ("course", machine, build)
        kept = self._kept.get(key)
        for_s = COURSE_KEPT_S if kept is None or kept[1].goes_on else ENDED_KEPT_S
        return self._keep(key, now_s, lambda: self._store.course(machine, build), for_s)

    def build(self, machine: str, build: str) -> dict[str, Any] | None:
        """The build's own message."""
        return self._store.build(machine, build)

    def notes(self, machine: str, build: str, now_s: float) -> pd.DataFrame:
        """What people said of layers of the build, whenever they did, the oldest first; nothing that was withdrawn."""

        def read() -> pd.DataFrame:
            rows = self._store.notes(machine, build)
            return rows[rows["layer"].notna() & rows["withdrawn_s"].isna()][::-1].reset_index(drop=True)

        return self._keep(("notes", machine, build), now_s, read, NOTES_KEPT_S)

    def opinions(self, machine: str, build: str) -> list[str]:
        """Second opinions to draw beside."""
        return self._store.opinions(machine, build)

    def operators(self, machine: str, build: str) -> list[str]:
        """Who has forecast of a build, of record or beside."""
        newest = [
            self._store.forecast_at(machine, build, END_S, opinion=each)
            for each in ("", *self.opinions(machine, build))
        ]
        return sorted({str(each["operator"]) for each in newest if each})

    def moment(self, machine: str, build: str, at_s: float, opinion: str, now_s: float) -> Moment:
        """Everything of a moment. `opinion`: whose forecasts are drawn beside those of record; empty: nobody's."""
        store, course = self._store, self.course(machine, build, now_s)
        latest = store.forecast_at(machine, build, at_s)
        told = store.build(machine, build)
        here = course.here(at_s)
        wall_s = _wall_s(latest, course, here)
        fresh = self._fresh(machine, build, at_s, latest, opinion)
        layer = here.layer if here.layer is not None else None if latest is None else int(latest["layer"])
        slow = self._slow(machine, build, at_s, wall_s, latest, told, layer, now_s)
        row = self._row(machine, build, layer, at_s, latest)
        frame_s = None if latest is None else float(latest["time_s"])
        before_s, after_s = store.beside(machine, build, at_s if frame_s is None else frame_s)
        path = None
        if latest is None and told is not None:
            step_s = float(told["frame_s"])
            before_s, after_s = at_s - step_s, at_s + step_s
            path = self._path(machine, build, layer, at_s, now_s)
        return Moment(
            at_s, here, Snapshot(wall_s, machines=(row,), machine=machine, fresh=fresh, slow=slow),
            None if latest is None else int(latest["frame"]), frame_s, before_s, after_s, path,
        )  # fmt: skip

    def _row(self, machine: str, build: str, layer: int | None, at_s: float, latest: Any) -> dict[str, Any]:
        """The machine's row as if it were told now: never as one that is live."""
        rows = self._store.machines()
        known = rows[rows["machine"] == machine].to_dict("records")
        told: dict[Any, Any] = {
            "machine": machine, "origin": "replay", "status": None, "time_factor": 1.0, "build": build, "layer": layer,
            "last_time_s": at_s, "last_sent_s": latest["sent_s"] if latest else None,
        }  # fmt: skip
        return {"process": known[0]["process"] if known else None} | told

    def _fresh(self, machine: str, build: str, at_s: float, latest: dict[str, Any] | None, opinion: str) -> Fresh:
        if latest is None:
            return Fresh()
        frames = self._frames(machine, build, at_s, "")
        since_s = float(frames["time_s"].min()) if len(frames) else None
        signals = self._store.signals(machine, build=build, since_s=since_s, until_s=at_s, limit=SIGNAL_SAMPLES)
        second = self._frames(machine, build, at_s, opinion) if opinion else pd.DataFrame()
        return Fresh(latest, frames, signals, opinion, second, self._came(machine, build, frames))

    def _frames(self, machine: str, build: str, at_s: float, opinion: str) -> pd.DataFrame:
        """Estimates of the frames before a moment, and the leads of the newest of them."""
        of = {"build": build, "until_s": at_s, "opinion": opinion}
        past, newest = self._store.estimates(machine, limit=FRAMES, **of), self._store.melt_pool(machine, limit=1, **of)  # type: ignore[arg-type]
        return pd.concat([past, newest[newest["lead_s"] > 0]], ignore_index=True) if len(newest) else past

    def _came(self, machine: str, build: str, frames: pd.DataFrame) -> pd.DataFrame:
        """What came in the time that the forecast speaks of: time_s, name, value."""
        ahead = frames[frames["lead_s"] > 0] if len(frames) else frames
        if ahead.empty:
            return pd.DataFrame()
        end_s = float(ahead["time_s"].max())
        now_s = end_s - float(ahead["lead_s"].max())
        later = self._store.estimates(machine, build=build, since_s=now_s, until_s=end_s, limit=FRAMES)
        told = [
            pd.DataFrame({"time_s": later["time_s"], "name": f"estimate_{size}", "value": later[size]})
            for size in ("length_m", "width_m", "depth_m")
        ]
        observed = self._store.signals(machine, build=build, since_s=now_s, until_s=end_s, limit=SIGNAL_SAMPLES)
        return pd.concat([*told, observed[["time_s", "name", "value"]]], ignore_index=True)

    def _slow(
        self, machine: str, build: str, at_s: float, wall_s: float, latest: dict[str, Any] | None,
        told: dict[str, Any] | None, layer: int | None, now_s: float,
    ) -> Slow:  # fmt: skip
        store, vectors = self._store, pd.DataFrame()
        if layer is not None:
            key = ("plan", machine, build, layer)
            vectors = self._keep(key, now_s, lambda: store.scan_vectors(machine, build, layer), 60.0)
        inferred, inferred_by = pd.DataFrame(), ""
        for opinion in ("", *store.opinions(machine, build)):
            inferred = store.absorptivity(machine, build=build, until_s=at_s, limit=INFERRED, opinion=opinion)
            if len(inferred):
                inferred_by = str(inferred["operator"].iloc[-1])
                break
        card = None
        if latest is not None:
            name = str(latest["operator"])
            card = self._keep(("card", name), now_s, lambda: store.card(name), 60.0)
        return Slow(
            wall_s,
            build=told,
            temperature_field=store.field_at(machine, build, at_s),
            vectors=vectors,
            path=self._travelled(machine, build, at_s, latest),
            path_of=None if latest is None else (build, int(latest["layer"])),
            alerts=alerts_then(store.build_alerts(machine, build), wall_s),
            card=card,
            absorptivity=inferred,
            inferred_by=inferred_by,
            calibration=store.calibration(machine, build=build, until_s=at_s, limit=INFERRED),
        )

    def _travelled(self, machine: str, build: str, at_s: float, latest: dict[str, Any] | None) -> pd.DataFrame:
        """The frames before a moment in the layer of its newest forecast."""
        if latest is None:
            return pd.DataFrame()
        rows = self._store.estimates(machine, build=build, until_s=at_s, limit=PATH_FRAMES)
        return rows[rows["layer"] == latest["layer"]]

    def _path(self, machine: str, build: str, layer: int | None, at_s: float, now_s: float) -> pd.DataFrame | None:
        """Where the beam went in a layer before a moment, as frames with a place alone."""
        if layer is None:
            return None
        key = ("path", machine, build, layer)
        samples = self._keep(key, now_s, lambda: self._store.parameters(machine, build, layer), 60.0)
        past = samples[samples["time_s"] <= at_s].tail(PATH_SAMPLES)
        return past.assign(frame=np.arange(len(past)), layer=layer, lead_s=0.0)

    def _keep(self, key: Hashable, now_s: float, read: Callable[[], Any], for_s: float) -> Any:
        kept = self._kept.get(key)
        if kept is None or now_s - kept[0] > for_s:
            kept = self._kept[key] = (now_s, read())
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept[1]


def alerts_then(rows: pd.DataFrame, wall_s: float) -> pd.DataFrame:
    """Alerts as they stood at a moment of the wall clock: those raised by then, without what was said of them later."""
    then = rows[rows["first_seen_s"] <= wall_s].reset_index(drop=True).copy()
    then["last_seen_s"] = then["last_seen_s"].clip(upper=wall_s)
    for moment, words in (("cleared_s", ()), ("acknowledged_s", ("acknowledged_by", "acknowledged_note"))):
        later = ~(then[moment] <= wall_s)
        then.loc[later, moment] = np.nan
        for word in words:
            then.loc[later, word] = None
    return then


def _wall_s(latest: dict[str, Any] | None, course: Course, here: Here) -> float:
    """The wall clock of a moment: that of its newest forecast, else that at which its layer's word came; else NaN."""
    issued_s = number(latest["issued_s"]) if latest else None
    if issued_s is not None:
        return issued_s
    mine = course.layers[course.layers["layer"] == here.layer]
    return float(mine["begun_received_s"].iloc[0]) if len(mine) else float("nan")


def without_later(moment: Moment) -> Moment:
    """The same without what came later."""
    fresh = replace(moment.snapshot.fresh, came=pd.DataFrame())
    return replace(moment, snapshot=replace(moment.snapshot, fresh=fresh))
