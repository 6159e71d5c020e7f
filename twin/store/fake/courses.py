"""FakeCourses: builds looked back at, in memory, naively: the half of `FakeStore` for `twin.course.Courses`."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from twin import course
from twin.course import FIELD_FRAMES
from twin.forecast import Field, Forecast
from twin.observation import Build, Gap, Layer, Observation, Parameters, State
from twin.store import packing
from twin.store.derive import end_s
from twin.store.sql.courses import RECORDINGS


class FakeCourses:
    """Every verb looks at everything, through the verbs of the store that it is half of."""

    _observations: dict[tuple[str, str, int], tuple[float, Observation]]
    _alerts: dict[tuple[str, str, str, int], dict[str, Any]]
    _gaps: dict[tuple[str, str, str, int, int], Gap]
    _heard: Callable[[str], list[tuple[float, Observation]]]
    _layers: Callable[[str, str | None], list[tuple[float, Layer | Parameters]]]
    _of: Callable[..., list[Forecast]]
    _frames: Callable[..., list[Forecast]]
    alerts: Callable[..., pd.DataFrame]
    skipped: Callable[..., pd.DataFrame]
    build: Callable[..., dict[str, Any] | None]

    def recordings(self, limit: int = 500) -> pd.DataFrame:
        rows = []
        for machine, name in self._named_builds():
            told = self.build(machine, name) or {}
            heard = [(r, o.message) for r, o in self._heard(machine) if getattr(o.message, "build", None) == name]
            received_s = [r for r, m in heard if isinstance(m, Build)][-1]
            layers = self._layer_table(machine, name)
            forecasts = sorted((f for f in self._of(machine) if f.build == name), key=lambda f: f.time_s)
            first, last = (layers["layer"].iloc[0], layers["layer"].iloc[-1]) if len(layers) else (None, None)
            ends = [first, last, None, None]
            if first is not None:
                ends[2:] = [self._begun_s(machine, name, first), layers["last_time_s"].iloc[-1]]
            of_layers = [r for r, _ in self._layers(machine, name)]
            state = next((m.origin for _, o in self._heard(machine)[::-1] if isinstance(m := o.message, State)), None)
            raised = sum(key[:2] == (machine, name) for key in self._alerts)
            rows.append((
                machine, name, told["part"], told["material"], told["layers"], len(layers), *ends[:2], received_s,
                *ends[2:], max(of_layers, default=None), state, forecasts[-1].operator if forecasts else None, raised,
            ))  # fmt: skip
        return packing.table(sorted(rows, key=lambda r: (-r[8], r[0], r[1]))[:limit], RECORDINGS)

    def _named_builds(self) -> list[tuple[str, str]]:
        said = [o for _, o in self._observations.values()]
        return sorted({(o.machine, o.message.build) for o in said if isinstance(o.message, Build)})

    def _begun_s(self, machine: str, build: str, layer: int) -> float | None:
        """Process time at which a layer said that it begins."""
        said = [(r, m) for r, m in self._layers(machine, build) if isinstance(m, Layer) and m.layer == layer]
        return said[-1][1].time_s if said else None

    def _layer_table(self, machine: str, build: str) -> pd.DataFrame:
        rows = []
        for number in sorted({m.layer for _, m in self._layers(machine, build)}):
            mine = [(r, m) for r, m in self._layers(machine, build) if m.layer == number]
            begun = [(r, m) for r, m in mine if isinstance(m, Layer)][-1:]
            last_s = max(end_s(m) for _, m in mine)
            final = any(m.final for _, m in mine if isinstance(m, Parameters))
            known = begun[0] if begun else (None, None)
            z_m, note, begun_s = (known[1].z_m, known[1].note, known[1].time_s) if known[1] else (None, "", last_s)
            rows.append((number, z_m, note, begun_s, last_s, final, known[0]))
        return packing.table(rows, course.LAYERS)

    def course(self, machine: str, build: str) -> course.Course:
        told, layers = self.build(machine, build), self._layer_table(machine, build)
        frames = sorted((f for f in self._of(machine) if f.build == build), key=lambda f: (f.layer, f.frame))
        outcomes = course.runs([(f.layer, f.frame, f.time_s, f.outcome.kind, f.issued_s) for f in frames])
        by_issue = sorted((f.issued_s, f.time_s) for f in frames)

        def process_s(wall_s: float, from_then: bool) -> float | None:
            if from_then:
                return next((time_s for issued_s, time_s in by_issue if issued_s >= wall_s), None)
            return next((time_s for issued_s, time_s in by_issue[::-1] if issued_s <= wall_s), None)

        skipped = self.skipped(machine, build, limit=10**6)
        heard_s = [r for r, _ in self._layers(machine, build)]
        first_s = layers["begun_received_s"].min() if len(layers) else float("nan")
        gaps = [g for g in self._gaps.values() if g.machine == machine and heard_s]
        during = sorted((g for g in gaps if first_s <= g.noticed_s <= max(heard_s) + 60.0), key=lambda g: g.noticed_s)
        missing = [
            (process_s(g.noticed_s, False), g.noticed_s, g.source, g.channel, g.first_sequence, g.last_sequence)
            for g in during
        ]
        return course.Course(
            machine,
            build,
            layers,
            course.breaks(layers),
            outcomes,
            course.skipped_at(skipped, layers, float(told["frame_s"]) if told else 0.0),
            course.alerts_at(list(self.build_alerts(machine, build).itertuples()), outcomes, layers, process_s),
            packing.table([gap for gap in missing if gap[0] is not None], course.GAPS),
        )

    def build_alerts(self, machine: str, build: str) -> pd.DataFrame:
        rows = self.alerts(machine, limit=10**6)
        return rows[rows["build"] == build].reset_index(drop=True)

    def forecast_at(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> dict[str, Any] | None:
        before = self._frames(machine, build, None, 1, opinion, at_s)
        return told(before[-1]) if before else None

    def beside(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> tuple[float | None, float | None]:
        times_s = [f.time_s for f in self._of(machine, opinion) if f.build == build]
        before, after = [t for t in times_s if t < at_s], [t for t in times_s if t > at_s]
        return max(before, default=None), min(after, default=None)

    def field_at(self, machine: str, build: str, at_s: float, lead_s: float | None = None) -> Field | None:
        near = [f for f in self._frames(machine, build, None, FIELD_FRAMES, "", at_s) if f.fields]
        return field_of(near[-1], lead_s) if near else None


def told(newest: Forecast) -> dict[str, Any]:
    """A forecast as the port tells it."""
    apart = ("leads", "fields", "outcome", "absorbed", "calibrated")
    columns = {name: value for name, value in vars(newest).items() if name not in apart}
    columns |= {name: getattr(newest.absorbed, own, None) for name, own in packing.ABSORBED.items()}
    outcome = {f"outcome_{name}": value for name, value in asdict(newest.outcome).items() if name != "kind"}
    return columns | outcome | {"outcome": newest.outcome.kind, "withheld": not newest.leads}


def field_of(newest: Forecast, lead_s: float | None) -> Field:
    """Its snapshot that is nearest to a lead."""
    nearest = min(newest.fields, key=lambda field: abs(field.lead_s - (lead_s or 0.0)))
    return replace(
        nearest,
        temperature_k=np.asarray(nearest.temperature_k, dtype=np.float32),
        time_s=newest.time_s + nearest.lead_s,
        issued_s=newest.issued_s,
    )
