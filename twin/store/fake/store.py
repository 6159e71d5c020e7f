"""FakeStore: the store in memory, for tests. It keeps what was said and works every answer out anew, naively."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from twin.alarms.acts import Act, state_of
from twin.forecast import Field, Forecast, Lead
from twin.observation import (
    Birth,
    Build,
    Frame,
    Gap,
    Layer,
    Observation,
    Parameters,
    Plan,
    Rejected,
    Signal,
    Skipped,
    State,
)
from twin.store import alerts, packing
from twin.store import floor as floors
from twin.store.derive import band_columns
from twin.store.fake.approvals import FakeApprovals
from twin.store.fake.courses import FakeCourses, field_of, told
from twin.store.fake.remarks import FakeRemarks
from twin.store.fake.requests import FakeRequests
from twin.store.fake.sums import FakeSums
from twin.store.port import AlertUnknownError, Step, Written
from twin.store.waiting import WAITED_FOR, first_missing


class FakeStore(FakeCourses, FakeSums, FakeRemarks, FakeApprovals, FakeRequests):
    """Not for one machine's worth of data: every read looks at everything."""

    def __init__(self) -> None:
        super().__init__()
        self._observations: dict[tuple[str, str, int], tuple[float, Observation]] = {}
        self._conflicts: set[tuple[tuple[str, str, int], str]] = set()
        self._rejects: dict[tuple[float, Rejected, int], Rejected] = {}
        self._gaps: dict[tuple[str, str, str, int, int], Gap] = {}
        self._reingested: dict[tuple[float, Rejected, int], float] = {}
        self._births: dict[tuple[str, int], Birth] = {}
        self._skipped: dict[tuple[str, str, int, int], Skipped] = {}
        self._forecasts: dict[tuple[str, str, int, int, str], Forecast] = {}
        self._alerts: dict[tuple[str, str, str, int], dict[str, Any]] = {}  # with the occurrence
        self._acts: list[dict[str, Any]] = []
        self._cards: dict[str, tuple[float, dict[str, Any]]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()  # of (name, machine)

    def write(self, step: Step) -> Written:
        before = {name: value.copy() for name, value in vars(self).items()}
        try:
            return self._write(step)
        except BaseException:
            vars(self).update(before)
            raise

    def _write(self, step: Step) -> Written:
        written = Written()
        for observation in step.observations:
            self._keep(observation, step.received_s, written)
        alike: Counter[Rejected] = Counter()
        for reject in step.rejects:
            alike[reject] += 1
            written.rejects += _keep_first(self._rejects, (step.received_s, reject, alike[reject]), reject)
        cured = {(reject.topic, reject.payload) for reject in step.reingested}
        for name in [name for name, r in self._rejects.items() if (r.topic, r.payload) in cured]:
            written.reingested += _keep_first(self._reingested, name, step.received_s)
        for birth in step.births:
            _keep_first(self._births, (birth.source, birth.birth), birth)
        for skipped in step.skipped:
            frames = (skipped.machine, skipped.build, skipped.layer, skipped.first_frame)
            written.skipped += skipped.frames * _keep_first(self._skipped, frames, skipped)
        for gap in step.gaps:
            key = (gap.machine, gap.source, gap.channel, gap.first_sequence, gap.last_sequence)
            written.gaps += _keep_first(self._gaps, key, gap)
        for forecast in step.forecasts:
            place = (forecast.machine, forecast.build, forecast.layer, forecast.frame, forecast.opinion)
            written.forecasts += _keep_first(self._forecasts, place, forecast)
        changed = set()
        for alert in step.alerts:
            changed |= self._fold(alerts.told(next(iter(self._occurrences(*alert.key)), None), alert), written)
        written.alerts = len(changed)
        self._act(step.acts, written)
        for card in step.cards:
            text = json.dumps(card, sort_keys=True)
            received_s, _ = self._cards.get(text, (step.received_s, card))
            self._cards[text] = (max(received_s, step.received_s), card)
        return written

    def _occurrences(self, machine: str, build: str, kind: str) -> list[dict[str, Any]]:
        """Of one kind, the newest first."""
        mine = [row for key, row in self._alerts.items() if key[:3] == (machine, build, kind)]
        return sorted(mine, key=lambda row: -row["occurrence"])

    def _fold(self, folded: alerts.Folded, written: Written) -> set[tuple[str, str, str, int]]:
        self._acts += folded.history
        written.acts += len(folded.history)
        if folded.row is None:
            return set()
        key = tuple(folded.row[name] for name in alerts.KEY)
        self._alerts[key] = folded.row  # type: ignore[index]
        return {key}  # type: ignore[arg-type]

    def _act(self, acts: Sequence[Act], written: Written) -> list[Act]:
        unknown = []
        for each in acts:
            rows = alerts.meant(self._occurrences(each.machine, each.build, each.kind)[::-1], each)
            if not rows:
                unknown.append(each)
            for row in rows:
                folded = alerts.acted(row, each)
                names = (*alerts.KEY, "act", "by", "at_s")
                if any(all(entry[n] == known[n] for n in names) for entry in folded.history for known in self._acts):
                    continue
                written.alerts += len(self._fold(folded, written))
        return unknown

    def acknowledge(
        self, machine: str, build: str, kind: str, *, by: str, note: str, now_s: float, occurrence: int | None = None
    ) -> int:
        return self._person(Act(machine, build, kind, "acknowledged", by, now_s, note, occurrence))

    def shelve(self, machine: str, build: str, kind: str, *, by: str, note: str, now_s: float, until_s: float) -> int:
        return self._person(Act(machine, build, kind, "shelved", by, now_s, note, until_s=until_s))

    def unshelve(self, machine: str, build: str, kind: str, *, by: str, now_s: float, note: str = "") -> int:
        return self._person(Act(machine, build, kind, "unshelved", by, now_s, note))

    def _person(self, said: Act) -> int:
        written = Written()
        if self._act([said], written):
            raise AlertUnknownError(f"there is no alert {said.kind} of {said.machine}, build {said.build!r}")
        return written.alerts

    def _keep(self, observation: Observation, received_s: float, written: Written) -> None:
        if observation.key not in self._observations:
            self._observations[observation.key] = (received_s, observation)
            written.observations += 1
            return
        written.duplicates += 1
        written.duplicate_keys.append(observation.key)
        self._counts["duplicates", observation.machine] += 1
        first, again = (
            message.model_copy(update={"sent_s": None})
            for message in (self._observations[observation.key][1].message, observation.message)
        )
        if first != again:
            written.conflicts += 1
            self._counts["conflicts", observation.machine] += 1

    def counts(self, machine: str | None = None) -> dict[str, int]:
        def mine(other: str) -> bool:
            return machine in (None, other)

        messages = [heard.message for _, heard in self._observations.values() if mine(heard.machine)]
        forecasts = [forecast for forecast in self._forecasts.values() if mine(forecast.machine)]
        return {
            "observations": len(messages),
            "duplicates": sum(n for (name, of), n in self._counts.items() if name == "duplicates" and mine(of)),
            "conflicts": sum(n for (name, of), n in self._counts.items() if name == "conflicts" and mine(of)),
            "rejects": len(self._rejects),
            "reingested": len(self._reingested),
            "gaps": sum(mine(gap.machine) for gap in self._gaps.values()),
            "births": sum(mine(birth.machine) for birth in self._births.values()),
            "skipped": sum(skipped.frames for skipped in self._skipped.values() if mine(skipped.machine)),
            "forecasts": sum(not forecast.opinion for forecast in forecasts),
            "opinions": sum(bool(forecast.opinion) for forecast in forecasts),
            "melt_pool": sum(len(forecast.leads) for forecast in forecasts),
            "fields": sum(len(forecast.fields) for forecast in forecasts),
            "alerts": sum(mine(key[0]) for key in self._alerts),
            "signals": sum(len(message.value) for message in messages if isinstance(message, Signal)),
            "samples": sum(len(message.x_m) for message in messages if isinstance(message, Parameters)),
            "scan_vectors": sum(len(message.start_s) for message in messages if isinstance(message, Plan)),
            "frames": sum(isinstance(message, Frame) for message in messages),
            "cards": len(self._cards),
        }

    def outcomes(self, machine: str | None = None, *, laser_on_only: bool = False) -> dict[str, int]:
        of_record = [f for f in self._forecasts.values() if not f.opinion]
        chosen = [f for f in of_record if machine in (None, f.machine) and f.laser_on >= laser_on_only]
        return dict(Counter(forecast.outcome.kind for forecast in chosen))

    def _heard(self, machine: str) -> list[tuple[float, Observation]]:
        """A machine's observations in the order in which they were received."""
        return sorted((kept for kept in self._observations.values() if kept[1].machine == machine), key=lambda k: k[0])

    def _layers(self, machine: str, build: str | None) -> list[tuple[float, Layer | Parameters]]:
        return [
            (received_s, observation.message)
            for received_s, observation in self._heard(machine)
            if isinstance(observation.message, Layer | Parameters) and observation.message.build == build
        ]

    def _newest_layer(self, machine: str, build: str | None) -> int | None:
        return max(((r, message.layer) for r, message in self._layers(machine, build)), default=(0.0, None))[1]

    def _current_build(self, machine: str) -> str | None:
        builds = [o.message.build for _, o in self._heard(machine) if not isinstance(o.message, State)]
        return builds[-1] if builds else None

    def machines(self) -> pd.DataFrame:
        rows = []
        for machine in sorted({observation.machine for _, observation in self._observations.values()}):
            heard = self._heard(machine)
            states = [observation for _, observation in heard if isinstance(observation.message, State)]
            state = states[-1].message if states else None
            assert state is None or isinstance(state, State)
            build = self._current_build(machine)
            layer = self._newest_layer(machine, build)
            ends_s = [
                message.sample_time_s[-1] if isinstance(message, Parameters) else message.time_s
                for _, message in self._layers(machine, build)
                if message.layer == layer
            ]
            sent_s = [o.message.sent_s for _, o in heard if o.message.sent_s is not None]
            rows.append(
                (
                    machine,
                    states[-1].site if states else heard[0][1].site,
                    state.status if state else None,
                    state.origin if state else None,
                    state.process if state else None,
                    state.time_factor if state else 1.0,
                    build,
                    layer,
                    max(sent_s, default=None),
                    max(ends_s, default=None),
                )
            )
        return packing.table(rows, packing.MACHINES)

    def floor(self) -> pd.DataFrame:
        machines, begun, builds = self.machines(), list[tuple[str, float, float]](), dict[str, dict[str, Any]]()
        for machine, build in zip(machines["machine"], machines["build"], strict=True):
            told = self.build(machine, build) or {}
            layers = [m for _, m in self._layers(machine, build)]
            first = min((m.layer for m in layers), default=0)
            if told:
                builds[machine] = {"part": told["part"], "layers": told["layers"], "first": first}
            wall_s = {m.layer: received_s for received_s, m in self._layers(machine, build) if isinstance(m, Layer)}
            newest = max((m.layer for m in layers), default=0)
            begun += [(machine, layer, at_s) for layer, at_s in wall_s.items() if layer > newest - floors.LAYERS]
        forecasts = {name: self.latest_forecast(name) or {} for name in machines["machine"]}
        opened = self.alerts(open_only=True, limit=10**6)
        heard = opened[opened["shelved_until_s"].isna()]
        return floors.floor(machines, builds, forecasts, heard.itertuples(), begun)

    def build(self, machine: str, build: str | None = None) -> dict[str, Any] | None:
        named = {
            m.build: (r, m.time_s, m.build, m) for r, o in self._heard(machine) if isinstance(m := o.message, Build)
        }
        chosen = [kept for name, kept in named.items() if build in (None, name)]
        return max(chosen, key=lambda kept: kept[:3])[3].model_dump() if chosen else None

    def nominals(self, limit: int = 200) -> pd.DataFrame:
        named: dict[tuple[str, str], tuple[float, float, Build]] = {}
        for received_s, observation in self._observations.values():
            message = observation.message
            if isinstance(message, Build):
                known = named.get((observation.machine, message.build))
                if known is None or (received_s, message.time_s) >= known[:2]:
                    named[observation.machine, message.build] = (received_s, message.time_s, message)
        newest = sorted(named.items(), key=lambda item: item[0][1], reverse=True)
        newest.sort(key=lambda item: item[0][0])
        newest.sort(key=lambda item: item[1][:2], reverse=True)
        rows = [({"machine": machine} | told.model_dump()) for (machine, _), (_, _, told) in newest[:limit]]
        return packing.table([[row[name] for name in packing.NOMINALS] for row in rows], packing.NOMINALS)

    def _of(self, machine: str, opinion: str = "") -> list[Forecast]:
        """A machine's forecasts of one opinion, the newest last."""
        chosen = [f for f in self._forecasts.values() if (f.machine, f.opinion) == (machine, opinion)]
        return sorted(chosen, key=lambda f: (f.issued_s, f.time_s, f.build, f.layer, f.frame))

    def _forecast_build(self, machine: str) -> str | None:
        return next((forecast.build for forecast in reversed(self._of(machine))), None)

    def _frames(
        self, machine: str, build: str | None, since_s: float | None, limit: int, opinion: str,
        until_s: float | None = None,
    ) -> list[Forecast]:  # fmt: skip
        chosen = build or self._forecast_build(machine)
        mine = [f for f in self._of(machine, opinion) if f.build == chosen]
        later = [
            f for f in mine if (since_s is None or f.time_s > since_s) and (until_s is None or f.time_s <= until_s)
        ]
        return sorted(later, key=lambda f: (f.time_s, f.layer, f.frame))[-limit:] if limit else []

    def opinions(self, machine: str, build: str | None = None) -> list[str]:
        chosen = build or self._forecast_build(machine)
        mine = [f for f in self._forecasts.values() if (f.machine, f.build) == (machine, chosen)]
        return sorted({f.opinion for f in mine} - {""})

    def absorptivity(
        self, machine: str, *, build: str | None = None, until_s: float | None = None, limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:  # fmt: skip
        frames = self._frames(machine, build, None, limit, opinion, until_s)
        rows = [
            (f.frame, f.layer, f.time_s, f.issued_s, f.absorbed.absorptivity, f.absorbed.nominal,
             f.absorbed.camera_frames, f.ledger_defect, f.outcome.kind, f.operator)
            for f in frames
            if f.absorbed is not None
        ]  # fmt: skip
        return packing.table(rows, packing.ABSORPTIVITY)

    def calibration(
        self, machine: str, *, build: str | None = None, quantity: str = "absorptivity", until_s: float | None = None,
        limit: int = 2000,
    ) -> pd.DataFrame:  # fmt: skip
        frames = self._frames(machine, build, None, 10**9, "", until_s)
        rows = sorted(
            (f.issued_s, f.time_s, tuple({"time_s": f.time_s, "made_s": f.issued_s, **vars(c)}[n] for n in columns))
            for columns in [packing.CALIBRATION]
            for f in frames
            for c in f.calibrated
            if c.quantity == quantity
        )
        return packing.table([row for *_, row in rows[-limit:]], packing.CALIBRATION)

    def melt_pool(
        self,
        machine: str,
        *,
        build: str | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:
        frames = self._frames(machine, build, since_s, limit, opinion, until_s)
        rows = [_size(forecast, lead) for forecast in frames for lead in forecast.leads]
        return packing.table(rows, packing.MELT_POOL)

    def estimates(
        self,
        machine: str,
        *,
        build: str | None = None,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:
        frames = self._frames(machine, build, since_s, limit, opinion, until_s)
        return packing.table([_size(f, f.leads[0]) for f in frames if f.leads], packing.MELT_POOL)

    def signals(
        self, machine: str, *, build: str | None = None, since_s: float | None = None, until_s: float | None = None,
        limit: int = 5000,
    ) -> pd.DataFrame:  # fmt: skip
        chosen = build if build is not None else self._current_build(machine)
        rows = sorted(
            (time_s, message.name, message.source, message.sequence, sample, value, message.layer)
            for _, observation in self._heard(machine)
            if isinstance(message := observation.message, Signal) and message.build == chosen
            for sample, (time_s, value) in enumerate(zip(message.sample_time_s, message.value, strict=True))
            if (since_s is None or time_s > since_s) and (until_s is None or time_s <= until_s)
        )
        newest = rows[-limit:] if limit else []
        return packing.table([(row[0], row[1], row[5], row[6]) for row in newest], packing.SIGNALS)

    def frames(
        self, machine: str, *, build: str | None = None, camera: str | None = None, since_s: float | None = None,
        limit: int = 1000,
    ) -> pd.DataFrame:  # fmt: skip
        chosen = self._pictures(machine, build, camera)
        later = [frame for frame in chosen if since_s is None or frame.time_s > since_s]
        rows = [[getattr(frame, name) for name in packing.FRAMES] for frame in later[-limit:]]
        return packing.table(rows, packing.FRAMES)

    def frame(
        self, machine: str, *, build: str | None = None, camera: str | None = None, at_s: float | None = None
    ) -> Frame | None:
        chosen = [f for f in self._pictures(machine, build, camera) if at_s is None or f.time_s <= at_s]
        return chosen[-1] if chosen else None

    def _pictures(self, machine: str, build: str | None, camera: str | None) -> list[Frame]:
        named = build if build is not None else self._current_build(machine)
        messages = [o.message for _, o in self._heard(machine)]
        pictures = [m for m in messages if isinstance(m, Frame) and m.build == named and camera in (None, m.camera)]
        return sorted(pictures, key=lambda m: (m.time_s, m.camera, m.source, m.sequence))

    def latest_forecast(self, machine: str, *, opinion: str = "") -> dict[str, Any] | None:
        forecasts = self._of(machine, opinion)
        return told(forecasts[-1]) if forecasts else None

    def latest_field(self, machine: str, lead_s: float | None = None) -> Field | None:
        forecasts = [forecast for forecast in self._of(machine) if forecast.fields]
        if not forecasts:
            return None
        return field_of(forecasts[-1], lead_s)

    def scan_vectors(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        plans = [
            message
            for _, observation in self._heard(machine)
            if isinstance(message := observation.message, Plan) and (message.build, message.layer) == (build, layer)
        ]
        rows: list[tuple[float | None, ...]] = []
        for plan in sorted(plans, key=lambda plan: (plan.time_s, plan.sequence, plan.source)):
            rows = [row for row in rows if (row[1] or 0.0) < plan.start_s[0]]
            columns = [getattr(plan, name) for name in packing.SCAN_VECTORS if name not in ("vector", "dwell_s")]
            dwell_s: Sequence[float | None] = plan.dwell_s or [None] * len(plan.start_s)
            rows += zip(range(plan.first_vector, plan.first_vector + len(dwell_s)), *columns, dwell_s, strict=True)
        return packing.table(sorted(rows, key=lambda row: (row[1], row[0])), packing.SCAN_VECTORS)

    def parameters(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        messages = [m for _, m in self._layers(machine, build) if isinstance(m, Parameters) and m.layer == layer]
        rows: list[tuple[float, ...]] = []
        for message in sorted(messages, key=lambda m: (m.sample_time_s[0], m.source, m.sequence)):
            rows += zip(*(getattr(message, name) for name in packing.SAMPLE_COLUMNS), strict=True)
        return packing.table(rows, packing.PARAMETERS)

    def alerts(
        self, machine: str | None = None, *, open_only: bool = False, standing_only: bool = False, limit: int = 500
    ) -> pd.DataFrame:
        chosen = [row for row in self._alerts.values() if machine in (None, row["machine"])]
        if open_only:
            chosen = [row for row in chosen if row["cleared_s"] is None]
        if standing_only:
            chosen = [row for row in chosen if state_of(row, math.inf) != "cleared"]
        newest = sorted(chosen, key=lambda row: (-row["last_seen_s"], *(row[name] for name in alerts.KEY)))[:limit]
        return packing.table([[row[name] for name in packing.ALERTS] for row in newest], packing.ALERTS)

    def alert_acts(self, machine: str | None = None, *, after: int = 0, limit: int = 500) -> pd.DataFrame:
        rows = [{"id": number, **row} for number, row in enumerate(self._acts, 1)]
        later = [row for row in rows if row["id"] > after and machine in (None, row["machine"])]
        return packing.table([[row[name] for name in packing.ALERT_ACTS] for row in later[:limit]], packing.ALERT_ACTS)

    def alert_is_known(self, machine: str, build: str, kind: str, occurrence: int | None = None) -> bool:
        return any(occurrence in (None, row["occurrence"]) for row in self._occurrences(machine, build, kind))

    def last_act(self) -> int:
        return len(self._acts)

    def rejects(self, limit: int = 500) -> pd.DataFrame:
        rows = [
            (
                key[0], packing.plain_text(r.topic), r.payload, r.reason, r.code,
                packing.digest(repr((r.topic, r.reason, key[2])).encode(), r.payload),
                self._reingested.get(key),
            )
            for key, r in self._rejects.items()
        ]  # fmt: skip
        return packing.table(sorted(rows, key=lambda row: -row[0])[:limit], packing.REJECTS)

    def gaps(self, machine: str, limit: int = 500) -> pd.DataFrame:
        rows = [
            (gap.noticed_s, gap.source, gap.channel, gap.first_sequence, gap.last_sequence)
            for gap in self._gaps.values()
            if gap.machine == machine
        ]
        return packing.table(sorted(rows, key=lambda row: (-row[0], *row[1:]))[:limit], packing.GAPS)

    def messages(
        self, source: str, channel: str, *, first: int = 0, last: int | None = None, newest: int | None = None
    ) -> list[Observation]:
        kept = sorted(
            (o for _, o in self._observations.values() if o.key[:2] == (source, channel)), key=lambda o: o.key
        )
        if newest is not None:
            return kept[-newest:] if newest else []
        return [o for o in kept if first <= o.message.sequence and (last is None or o.message.sequence <= last)]

    def births(self, source: str) -> int:
        return max((birth for name, birth in self._births if name == source), default=0)

    def next_frame(self, machine: str, build: str, layer: int) -> int:
        place = (machine, build, layer)
        frames = [f.frame for f in self._forecasts.values() if (f.machine, f.build, f.layer) == place]
        frames += [s.last_frame for s in self._skipped.values() if (s.machine, s.build, s.layer) == place]
        return max(frames, default=-1) + 1

    def issued(self, machine: str, build: str, layer: int) -> dict[int, float]:
        place = (machine, build, layer, "")
        kept = self._forecasts.values()
        return {f.frame: f.issued_s for f in kept if (f.machine, f.build, f.layer, f.opinion) == place}

    def skipped(self, machine: str, build: str | None = None, limit: int = 500) -> pd.DataFrame:
        rows = [
            (s.noticed_s, s.build, s.layer, s.first_frame, s.last_frame)
            for s in self._skipped.values()
            if s.machine == machine and build in (None, s.build)
        ]
        return packing.table(sorted(rows, key=lambda r: (-r[0], r[1], -r[2], -r[3]))[:limit], packing.SKIPPED)

    def lives(self, machine: str, limit: int = 500) -> pd.DataFrame:
        rows = [
            (b.noticed_s, b.source, b.birth, b.channel, b.sequence, b.reason)
            for b in self._births.values()
            if b.machine == machine
        ]
        return packing.table(sorted(rows, key=lambda r: (-r[0], r[1], -r[2]))[:limit], packing.LIVES)

    def open_layers(self) -> list[tuple[str, str, int]]:
        places: dict[tuple[str, str, int], None] = {}
        for machine in sorted({observation.machine for _, observation in self._observations.values()}):
            build = self._current_build(machine)
            layer = self._newest_layer(machine, build)
            parameters = [m for _, m in self._layers(machine, build) if isinstance(m, Parameters) and m.layer == layer]
            places |= dict.fromkeys(self._waiting(machine, build))
            if build is not None and layer is not None and not any(message.final for message in parameters):
                places[machine, build, layer] = None
        return list(places)

    def _waiting(self, machine: str, build: str | None) -> list[tuple[str, str, int]]:
        """Layers from the one before the first missing message on, of the sources that speak of the newest two."""
        places = []
        layers = [layer for _, layer in sorted((r, message.layer) for r, message in self._layers(machine, build))]
        newest = list(dict.fromkeys(reversed(layers)))[:2]
        told = [
            (received_s, observation, message)
            for received_s, observation in self._heard(machine)
            if isinstance(message := observation.message, Parameters)
        ]
        speak = {o.source for _, o, message in told if message.build == build and message.layer in newest}
        for source in sorted(speak):
            own = sorted((kept for kept in told if kept[1].source == source), key=lambda kept: kept[2].sequence)
            own = own[-WAITED_FOR:]
            gaps = [
                (gap.first_sequence, gap.last_sequence)
                for gap in self._gaps.values()
                if (gap.machine, gap.source, gap.channel) == (machine, source, "parameters")
            ]
            at = first_missing([(message.sequence, received_s) for received_s, _, message in own], gaps)
            places += [] if at is None else [(machine, message.build, message.layer) for _, _, message in own[at:]]
        return places

    def replay_messages(self, machine: str, build: str, layer: int) -> Iterator[Observation]:
        heard = [observation for _, observation in self._heard(machine)]
        yield from [observation for observation in heard if isinstance(observation.message, State)][-1:]
        for kind in (Build, Layer, Plan, Parameters):
            chosen = [o for o in heard if isinstance(o.message, kind) and o.message.build == build]
            if kind is Plan:
                chosen = [o for o in chosen if getattr(o.message, "layer", -1) >= layer]
            elif kind is not Build:
                chosen = [o for o in chosen if getattr(o.message, "layer", None) == layer]
            for observation in sorted(chosen, key=lambda o: o.key):
                yield replace(observation, topic="", payload=b"")

    def card(self, name: str) -> dict[str, Any] | None:
        named = [kept for kept in self._cards.values() if kept[1]["name"] == name]
        return max(named, key=lambda kept: kept[0])[1] if named else None

    def close(self) -> None:
        """Nothing to let go of."""


def _keep_first(kept: dict[Any, Any], key: Any, value: Any) -> bool:
    new = key not in kept
    kept.setdefault(key, value)
    return new


def _size(forecast: Forecast, lead: Lead) -> tuple[Any, ...]:
    return (
        forecast.frame, forecast.issued_s, lead.time_s, lead.lead_s,
        lead.melt_pool.length_m, lead.melt_pool.width_m, lead.melt_pool.depth_m,
        lead.x_m, lead.y_m, lead.beam_power_w, forecast.layer, forecast.outcome.kind, forecast.operator,
        *band_columns(lead).values(), forecast.credibility,
    )  # fmt: skip
