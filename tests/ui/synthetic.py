"""A store with synthetic rows for the interface's tests: one LPBF machine in slow motion and one DED machine, or none.

Sizes follow made-up smooth formulas; no test reads physics from them.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from twin import course
from twin.alarms.acts import state_of
from twin.forecast import Field, Forecast, Lead, MeltPool, Outcome
from twin.observation import Build, Layer, Message, Observation, Plan, Signal, State
from twin.remarks import NOTES
from twin.store import packing
from twin.store.fake.approvals import FakeApprovals
from twin.store.fake.requests import FakeRequests
from twin.store.floor import floor
from twin.store.packing import CALIBRATION, table
from twin.store.port import Step
from twin.store.sql.courses import RECORDINGS

HORIZON = 8
SOLIDUS_K, BOILING_K = 1563.0, 3100.0


@dataclass(frozen=True)
class Machine:
    name: str
    process: str
    time_factor: float
    frame_s: float
    beam_diameter_m: float
    scan_speed_m_per_s: float
    beam_power_w: float
    vector_m: float
    width_m: float
    material: str
    assumed: tuple[str, ...] = ()


LPBF_BAY = Machine("lpbf-bay-2", "lpbf", 0.001, 62.5e-6, 100e-6, 0.8, 195.0, 4e-3, 150e-6, "IN625")
DED_CELL = Machine(
    "ded-cell-1", "ded", 1.0, 0.02, 800e-6, 0.01, 360.0, 0.03, 1.1e-3, "SS316L", ("material", "beam_diameter_m")
)


def ellipsoid_field(width_m: float, solidus_k: float = SOLIDUS_K, peak_k: float = 3600.0) -> Field:
    """Solidus surface: half an ellipsoid with a round nose ahead of the beam and a long tail behind it."""
    half, depth, nose, tail = width_m / 2, width_m * 0.45, width_m * 0.55, width_m * 1.9
    x = np.linspace(-3 * width_m, 1.4 * width_m, 72)
    y = np.linspace(-1.4 * width_m, 1.4 * width_m, 49)
    z = np.linspace(0, 1.2 * width_m, 33) ** 1.0
    gx, gy, gz = np.meshgrid(x, y, z, indexing="ij")
    along = np.where(gx > 0, gx / nose, gx / tail)
    radius = np.sqrt(along**2 + (gy / half) ** 2 + (gz / depth) ** 2)
    temperature = 300.0 + (solidus_k - 300.0) * np.exp(-1.1 * (radius - 1.0))
    return Field(x, y, z, np.minimum(temperature, peak_k).astype(np.float32), solidus_k, BOILING_K, 0.0, 0.0)


@dataclass
class SyntheticStore(FakeApprovals, FakeRequests):
    """Answers the `Store` port's questions at frame `self.frame`; `advance` moves time on."""

    machine_list: tuple[Machine, ...] = (LPBF_BAY, DED_CELL)
    frame: int = 240
    now_s: float = 1_700_000_000.0
    outcome: str = "ok"
    opinion: str = ""  # an operator that gives a second one
    inferring: bool = False
    sensing: bool = False
    followed: bool = False
    banded: bool = False
    reads: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def nominals(self, limit: int = 200) -> pd.DataFrame:
        told = [(self.build(m.name) or {}) | {"machine": m.name, "hatch_spacing_m": None} for m in self.machine_list]
        return packing.table([[row[name] for name in packing.NOMINALS] for row in told[:limit]], packing.NOMINALS)

    def advance(self, frames: int, now_s: float) -> None:
        self.frame, self.now_s = self.frame + frames, now_s

    def _find(self, name: str) -> Machine | None:
        return next((m for m in self.machine_list if m.name == name), None)

    def _last(self, machine: Machine, until_s: float | None) -> int:
        """The newest frame, or the newest not later than a process time."""
        newest = self._frame_of(machine)
        return newest if until_s is None else min(newest, int(until_s / machine.frame_s + 1e-9))

    def _frame_of(self, machine: Machine) -> int:
        return self.frame if machine.process == "lpbf" else self.frame * 2

    def machines(self) -> pd.DataFrame:
        self.reads["machines"] = self.reads.get("machines", 0) + 1
        columns = ["machine", "site", "status", "origin", "process", "time_factor", "build", "layer"]
        rows = [
            (m.name, "hall-a", "online", "simulated", m.process, m.time_factor, f"{m.process}-demo", 3)
            for m in self.machine_list
        ]
        table = pd.DataFrame(rows, columns=columns)
        table["last_sent_s"] = self.now_s
        table["last_time_s"] = [self._frame_of(m) * m.frame_s for m in self.machine_list]
        return table

    def floor(self) -> pd.DataFrame:
        machines = self.machines()
        names = machines["machine"]
        builds = {name: self.build(name) or {} for name in names}
        return floor(machines, builds, {name: self.latest_forecast(name) or {} for name in names}, [], [])

    def build(self, machine: str, build: str | None = None) -> dict[str, Any] | None:
        m = self._find(machine)
        if m is None:
            return None
        return {
            "build": f"{m.process}-demo",
            "material": m.material,
            "beam_diameter_m": m.beam_diameter_m,
            "layer_thickness_m": 4e-5 if m.process == "lpbf" else 5e-4,
            "preheat_k": 353.15,
            "absorptivity": 0.35,
            "nominal_beam_power_w": m.beam_power_w,
            "nominal_scan_speed_m_per_s": m.scan_speed_m_per_s,
            "frame_s": m.frame_s,
            "assumed": list(m.assumed),
            "layers": 60,
        }

    def _position(self, m: Machine, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Serpentine with turns during which the laser is off for an eighth of a vector's time."""
        period = m.vector_m / m.scan_speed_m_per_s * 1.125
        vector = np.floor(time_s / period)
        part = np.minimum((time_s / period - vector) * 1.125, 1.0)
        x = np.where(vector % 2 == 0, part, 1 - part) * m.vector_m
        on = (time_s / period - vector) * 1.125 <= 1.0
        step = 1.0 + 0.12 * (np.floor(vector / 2) % 2)
        return x, (vector % 40) * m.width_m * 0.7, np.where(on, m.beam_power_w * step, 0.0)

    def _width(self, m: Machine, time_s: np.ndarray) -> np.ndarray:
        _, _, power = self._position(m, time_s)
        past = sum(self._position(m, time_s - k * m.frame_s)[2] for k in range(6)) / 6
        return m.width_m * (past / m.beam_power_w) * (1 + 0.03 * np.sin(time_s / m.frame_s / 9))

    def opinions(self, machine: str, build: str | None = None) -> list[str]:
        return [self.opinion] if self.opinion and self._find(machine) else []

    def absorptivity(
        self, machine: str, *, build: str | None = None, until_s: float | None = None, limit: int = 2000,
        opinion: str = "",
    ) -> pd.DataFrame:  # fmt: skip
        columns = ["frame", "layer", "time_s", "issued_s", "absorptivity", "nominal_absorptivity", "camera_frames",
                   "ledger_defect", "outcome", "operator"]  # fmt: skip
        m = self._find(machine)
        if m is None or not self.inferring:
            return pd.DataFrame(columns=columns)
        last = self._last(m, until_s)
        frame = np.arange(max(last - limit + 1, 0), last + 1)
        table = pd.DataFrame({"frame": frame, "layer": 3, "time_s": frame * m.frame_s})
        table["issued_s"] = self.now_s - (last - frame) * 0.02
        table["absorptivity"] = 0.62 + 0.02 * np.sin(frame / 9)
        table["nominal_absorptivity"], table["ledger_defect"] = 0.55, 1e-8
        table["camera_frames"] = np.minimum((frame - frame[0]) // 4, 10)
        return table.assign(outcome=self.outcome, operator="hfluxno-melt-pool")

    def calibration(
        self, machine: str, *, build: str | None = None, quantity: str = "absorptivity", until_s: float | None = None,
        limit: int = 2000,
    ) -> pd.DataFrame:  # fmt: skip
        m = self._find(machine)
        if m is None or not self.sensing:
            return table([], CALIBRATION)
        last = self._last(m, until_s)
        at = np.arange(max(last - 64 * 5, 0), last + 1, 64)
        half = 0.2 / np.sqrt(1 + np.arange(len(at)))
        rows = pd.DataFrame({"quantity": quantity, "time_s": at * m.frame_s, "made_s": self.now_s - (last - at) * 0.02})
        rows["nominal"], rows["estimate"] = 0.55, 0.6
        rows["low"], rows["high"] = 0.6 - half, 0.6 + half
        rows["signals"], rows["frames"] = "melt_pool_length_m,melt_pool_width_m", 64 * (1 + np.arange(len(at)))
        return rows.assign(identifiable=True, consistent=True, followed=self.followed)[list(CALIBRATION)]

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
        frames = self.melt_pool(machine, until_s=until_s, limit=limit, opinion=opinion)
        return frames[frames["lead_s"] == 0].reset_index(drop=True)

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
        self.reads["melt_pool"] = self.reads.get("melt_pool", 0) + 1
        m = self._find(machine)
        if m is None:
            return pd.DataFrame(columns=["frame", "issued_s", "time_s", "lead_s", "length_m", "width_m", "depth_m",
                                         "x_m", "y_m", "beam_power_w", "layer", "outcome", "operator"])  # fmt: skip
        last = self._last(m, until_s)
        frame = np.repeat(np.arange(max(last - limit + 1, 0), last + 1), HORIZON + 1)
        lead = np.tile(np.arange(HORIZON + 1), len(frame) // (HORIZON + 1))
        time_s = (frame + lead) * m.frame_s
        x, y, power = self._position(m, time_s)
        width = self._width(m, time_s) * (1.1 if opinion else 1.0)
        table = pd.DataFrame(
            {
                "frame": frame,
                "issued_s": self.now_s - (last - frame) * 0.02,
                "time_s": time_s,
                "lead_s": lead * m.frame_s,
                "length_m": width * 2.45,
                "width_m": width,
                "depth_m": width * 0.45,
                "x_m": x,
                "y_m": y,
                "beam_power_w": power,
                "layer": 3,
                "outcome": self.outcome,
                "operator": opinion or "asno-small-1",
            }
        )
        if self.banded:
            for size in ("length", "width", "depth"):
                table[f"{size}_low_m"], table[f"{size}_high_m"] = table[f"{size}_m"] * 0.9, table[f"{size}_m"] * 1.1
            table["coverage"], table["credibility"] = 0.9, 0.5
        return table.sort_values("time_s", kind="stable", ignore_index=True)

    def signals(
        self, machine: str, *, build: str | None = None, since_s: float | None = None, until_s: float | None = None,
        limit: int = 5000,
    ) -> pd.DataFrame:  # fmt: skip
        m = self._find(machine)
        if m is None:
            return pd.DataFrame(columns=["time_s", "name", "value", "layer"])
        last = self._last(m, until_s)
        time_s = np.arange(max(last - 120, 0), last + 1) * m.frame_s
        time_s = time_s[time_s > (since_s if since_s is not None else -1.0)]
        noise = np.random.default_rng(0).normal(0, 0.08, 4000)[(np.arange(len(time_s)) * 7) % 4000]
        return pd.DataFrame(
            {"time_s": time_s, "name": "melt_pool_width_m", "value": self._width(m, time_s) * (1 + noise), "layer": 3}
        )

    def latest_forecast(self, machine: str) -> dict[str, Any] | None:
        m = self._find(machine)
        if m is None:
            return None
        return {
            "machine": machine, "build": f"{m.process}-demo", "layer": 3, "frame": self._frame_of(m),
            "time_s": self._frame_of(m) * m.frame_s, "issued_s": self.now_s, "sent_s": self.now_s - 0.04,
            "operator": "asno-small-1", "outcome": self.outcome,
            "outcome_which": "" if self.outcome == "ok" else "q", "outcome_by": 0.0 if self.outcome == "ok" else 0.42,
            "outcome_unit": "", "withheld": False, "regime": "conduction", "keyhole_number": 1.1,
            "laser_on": True,
        }  # fmt: skip

    def latest_field(self, machine: str, lead_s: float | None = None) -> Field | None:
        m = self._find(machine)
        return None if m is None else self.field_at(machine, "", self._frame_of(m) * m.frame_s)

    def forecast_at(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> dict[str, Any] | None:
        m, newest = self._find(machine), self.latest_forecast(machine)
        if m is None or newest is None or at_s < 0:
            return None
        frame = self._last(m, at_s)
        return newest | {"frame": frame, "time_s": frame * m.frame_s, "operator": opinion or newest["operator"]}

    def beside(self, machine: str, build: str, at_s: float, *, opinion: str = "") -> tuple[float | None, float | None]:
        m = self._find(machine)
        if m is None:
            return None, None
        before, after = int(np.ceil(at_s / m.frame_s - 1e-6)) - 1, int(np.floor(at_s / m.frame_s + 1e-6)) + 1
        return before * m.frame_s if before >= 0 else None, after * m.frame_s if after <= self._frame_of(m) else None

    def field_at(self, machine: str, build: str, at_s: float, lead_s: float | None = None) -> Field | None:
        m = self._find(machine)
        if m is None:
            return None
        return ellipsoid_field(max(float(self._width(m, np.array([at_s]))[0]), 0.3 * m.width_m))

    def course(self, machine: str, build: str) -> course.Course:
        m = self._find(machine)
        end_s = self._frame_of(m) * m.frame_s if m else 0.0
        layers = table([(3, 0.0, "", 0.0, end_s, False, self.now_s)] if m else [], course.LAYERS)
        runs = course.runs([(3, 0, 0.0, self.outcome, 0.0), (3, self.frame, end_s, self.outcome, 0.0)] if m else [])
        nothing = (table([], columns) for columns in (course.SKIPPED, course.ALERTS, course.GAPS))
        return course.Course(machine, build, layers, course.breaks(layers), runs, *nothing)

    def recordings(self, limit: int = 500) -> pd.DataFrame:
        rows = [
            (m.name, f"{m.process}-demo", "", m.material, 60, 1, 3, 3, self.now_s, 0.0, self._frame_of(m) * m.frame_s,
             self.now_s, "simulated", "asno-small-1", 0)
            for m in self.machine_list
        ]  # fmt: skip
        return table(rows, RECORDINGS)

    def notes(self, machine: str | None = None, build: str | None = None, **more: Any) -> pd.DataFrame:
        return table([], NOTES)

    def build_alerts(self, machine: str, build: str) -> pd.DataFrame:
        return self.alerts(machine)

    def scan_vectors(self, machine: str, build: str, layer: int) -> pd.DataFrame:
        m = self._find(machine)
        columns = ["vector", "start_s", "x0_m", "y0_m", "x1_m", "y1_m", "z_m", "beam_power_w", "scan_speed_m_per_s"]
        if m is None:
            return pd.DataFrame(columns=columns)
        period = m.vector_m / m.scan_speed_m_per_s * 1.125
        rows = [
            (v, v * period, m.vector_m * (v % 2), v * m.width_m * 0.7, m.vector_m * (1 - v % 2), v * m.width_m * 0.7,
             0.0, m.beam_power_w, m.scan_speed_m_per_s)
            for v in range(40)
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def alerts(
        self, machine: str | None = None, *, open_only: bool = False, standing_only: bool = False, limit: int = 500
    ) -> pd.DataFrame:
        if not self.machine_list or machine == DED_CELL.name:
            return pd.DataFrame(columns=list(packing.ALERTS))
        rows = [
            self._alert("keyhole", "high", 3, 14, 1, x_m=3.2e-3, y_m=1.1e-3,
                        evidence="keyhole number 6.8, above 6 for 12 frames",
                        action="Lower the power or raise the scan speed at the ends"),
            self._alert("outside_envelope", "low", 2, 320, 300, x_m=0.4e-3, y_m=2.6e-3,
                        evidence="q above the trained range by 0.4", action="Check the power step in this layer"),
            self._alert("lack_of_fusion", "medium", 2, 500, 2, count=4, acknowledged_s=self.now_s - 90,
                        acknowledged_by="Ada Lovelace", acknowledged_note="hatch spacing checked",
                        evidence="in one place in two tracks may not melt together", action="Raise the power"),
            self._alert("broker", "medium", 1, 700, 600, cleared_s=self.now_s - 590,
                        evidence="the broker did not answer for 12 s", action="Look at the network"),
            self._alert("take_over", "medium", 1, 700, 3, shelved_until_s=self.now_s + 1500,
                        shelved_by="Ben", shelved_note="test bench", evidence="two twins", action="Stop one"),
            self._alert("gap", "low", 1, 900, 899, x_m=0.0, y_m=0.0, cleared_s=self.now_s - 700,
                        evidence="3 messages missing on parameters", action="Check the network of the machine"),
        ]  # fmt: skip
        chosen = [row for row in rows if not standing_only or state_of(row, self.now_s) != "cleared"]
        table = pd.DataFrame([[row[name] for name in packing.ALERTS] for row in chosen], columns=list(packing.ALERTS))
        return table.assign(machine=machine)

    def _alert(
        self, kind: str, severity: str, layer: int, first_ago_s: float, last_ago_s: float, **fields: Any
    ) -> dict[str, Any]:
        told = {"build": "lpbf-demo", "kind": kind, "occurrence": 1, "severity": severity, "layer": layer, "count": 1,
                "first_seen_s": self.now_s - first_ago_s, "last_seen_s": self.now_s - last_ago_s}  # fmt: skip
        return dict.fromkeys(packing.ALERTS) | told | fields

    def gaps(self, machine: str, limit: int = 500) -> pd.DataFrame:
        columns = ["noticed_s", "source", "channel", "first_sequence", "last_sequence"]
        rows = [(self.now_s - 900, machine, "parameters", 40, 42)] if self.machine_list else []
        return pd.DataFrame(rows, columns=columns)

    def rejects(self, limit: int = 500) -> pd.DataFrame:
        columns = ["received_s", "topic", "payload", "reason", "code", "digest", "reingested_s"]
        row = (self.now_s - 60, "meltwin/v1/hall/m/plan", b"{", "ends early", "truncated", "3f" * 32, None)
        return pd.DataFrame([row] if self.machine_list else [], columns=columns)

    def skipped(self, machine: str, build: str | None = None, limit: int = 500) -> pd.DataFrame:
        columns = ["noticed_s", "build", "layer", "first_frame", "last_frame"]
        rows = [(self.now_s - 30, "lpbf-demo", 3, 100, 163)] if self.machine_list else []
        return pd.DataFrame(rows, columns=columns)

    def outcomes(self, machine: str | None = None, *, laser_on_only: bool = False) -> dict[str, int]:
        return {"ok": self.frame, "outside_envelope": 7} if self.machine_list else {}

    def counts(self, machine: str | None = None) -> dict[str, int]:
        if not self.machine_list:
            return {}
        return {"observations": self.frame * 3, "duplicates": 12, "rejects": 0, "gaps": 1, "forecasts": self.frame}

    def card(self, name: str) -> dict[str, Any] | None:
        return {"name": name, "architecture": "ASNO", "device": "cpu"}

    def close(self) -> None:
        """Nothing to let go of."""


def opening_step(source: SyntheticStore, machine: Machine) -> Step:
    """What a machine says before its first frame: state, build, layer, plan."""
    build, name = source.build(machine.name) or {}, f"{machine.process}-demo"
    vectors = source.scan_vectors(machine.name, name, 3)
    columns = ["start_s", "x0_m", "y0_m", "x1_m", "y1_m", "z_m", "beam_power_w", "scan_speed_m_per_s"]
    who: dict[str, Any] = {"source": machine.name, "sequence": 0, "time_s": 0.0, "sent_s": source.now_s}
    messages = (
        State(status="online", origin="simulated", process=machine.process, time_factor=machine.time_factor, **who),  # type: ignore[arg-type]
        Build(**build, **who),
        Layer(build=name, layer=3, **who),
        Plan(build=name, layer=3, **{column: vectors[column].tolist() for column in columns}, **who),
    )
    return Step([_said(machine, message) for message in messages], received_s=source.now_s)


def frame_step(source: SyntheticStore, machine: Machine, *, with_field: bool) -> Step:
    """The newest frame of `source` as the run process would write it."""
    rows, name = source.melt_pool(machine.name, limit=1), f"{machine.process}-demo"
    latest, observed = source.latest_forecast(machine.name) or {}, source.signals(machine.name).iloc[-1]
    leads = tuple(
        Lead(r.lead_s, r.time_s, MeltPool(r.length_m, r.width_m, r.depth_m), r.x_m, r.y_m, r.beam_power_w)
        for r in rows.itertuples()
    )
    shared = {key: latest[key] for key in ("layer", "frame", "time_s", "issued_s", "sent_s", "operator", "laser_on")}
    outcome = Outcome(latest["outcome"], latest["outcome_which"], latest["outcome_by"])
    seen = source.latest_field(machine.name) if with_field else None
    forecast = Forecast(
        machine.name, name, outcome=outcome, regime="conduction", keyhole_number=1.1, leads=leads,
        fields=(seen,) if seen else (), **shared,
    )  # fmt: skip
    signal = Signal(
        source=machine.name, sequence=latest["frame"], time_s=latest["time_s"], sent_s=source.now_s, build=name,
        layer=3, name="melt_pool_width_m", sample_time_s=[float(observed["time_s"])], value=[float(observed["value"])],
    )  # fmt: skip
    return Step([_said(machine, signal)], forecasts=[forecast], received_s=source.now_s)


def _said(machine: Machine, message: Message) -> Observation:
    return Observation("hall-a", machine.name, message, f"meltwin/v1/hall-a/{machine.name}/{message.channel}")  # type: ignore[arg-type]
