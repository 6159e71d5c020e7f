"""Messages, forecasts and alerts as the store's tests need them: one machine's small build, said in few words."""

from typing import Any

import numpy as np

from twin.forecast import Alert, Calibrated, Field, Forecast, Lead, MeltPool, Outcome
from twin.observation import Build, Frame, Gap, Layer, Message, Observation, Parameters, Plan, Rejected, Signal, State
from twin.store.port import Step


def heard(message: Message, machine: str = "m1") -> Observation:
    return Observation(site="hall", machine=machine, message=message)  # type: ignore[arg-type]


def state(sequence: int = 0, *, status: Any = "online", source: str = "m1", **fields: Any) -> State:
    return State(source=source, sequence=sequence, time_s=0.0, status=status, **fields)


def build(name: str = "b1", sequence: int = 0, source: str = "m1", **fields: Any) -> Build:
    constant: dict[str, Any] = {
        "material": "IN625",
        "beam_diameter_m": 100e-6,
        "layer_thickness_m": 40e-6,
        "nominal_beam_power_w": 195.0,
        "nominal_scan_speed_m_per_s": 0.8,
        "frame_s": 62.5e-6,
    }
    return Build(source=source, sequence=sequence, time_s=0.0, build=name, **(constant | fields))


def layer(number: int, sequence: int = 0, *, name: str = "b1", source: str = "m1", time_s: float = 0.0) -> Layer:
    return Layer(source=source, sequence=sequence, time_s=time_s, build=name, layer=number, z_m=number * 40e-6)


def parameters(
    sequence: int,
    time_s: list[float] | None = None,
    *,
    number: int = 1,
    name: str = "b1",
    source: str = "m1",
    final: bool = False,
    sent_s: float | None = None,
) -> Parameters:
    times_s = time_s or [sequence * 1e-5]
    ones = [1.0] * len(times_s)
    return Parameters(
        source=source, sequence=sequence, time_s=times_s[0], sent_s=sent_s, build=name, layer=number,
        sample_time_s=times_s, x_m=[0.8 * t for t in times_s], y_m=ones, z_m=ones, beam_power_w=ones, final=final,
    )  # fmt: skip


def plan(sequence: int, start_s: list[float], *, first_vector: int = 0, number: int = 1, time_s: float = 0.0) -> Plan:
    ones = [1.0] * len(start_s)
    return Plan(
        source="m1", sequence=sequence, time_s=time_s, build="b1", layer=number, first_vector=first_vector,
        start_s=start_s, x0_m=ones, y0_m=ones, x1_m=ones, y1_m=ones, z_m=ones, beam_power_w=ones,
        scan_speed_m_per_s=ones,
    )  # fmt: skip


def signal(sequence: int, time_s: list[float], value: list[float], *, name: str = "b1", source: str = "m1") -> Signal:
    return Signal(
        source=source, sequence=sequence, time_s=time_s[0], build=name, layer=1, name="melt_pool_width_m",
        sample_time_s=time_s, value=value,
    )  # fmt: skip


def frame(
    sequence: int, time_s: float = 0.0, *, name: str = "b1", source: str = "m1", level: float = 1500.0, **fields: Any
) -> Frame:
    constant: dict[str, Any] = {
        "quantity": "temperature_k",
        "pixel_m": 1e-5,
        "exposure_s": 2e-5,
        "sensor_min": 900.0,
        "sensor_max": 3000.0,
        "value": np.full((3, 4), level, dtype=np.float32) + np.arange(4, dtype=np.float32) / 3,
    } | fields
    rows, columns = constant["value"].shape
    return Frame(
        source=source, sequence=sequence, time_s=time_s, build=name, layer=1, rows=rows, columns=columns, **constant
    )  # fmt: skip


CONDUCTION = MeltPool(300e-6, 120e-6, 60e-6)


def lead(lead_s: float, time_s: float, melt_pool: MeltPool = CONDUCTION) -> Lead:
    return Lead(lead_s=lead_s, time_s=time_s + lead_s, melt_pool=melt_pool, x_m=0.1, y_m=0.2, beam_power_w=195.0)


def forecast(frame: int, *, machine: str = "m1", name: str = "b1", lead_count: int = 2, **fields: Any) -> Forecast:
    time_s = fields.pop("time_s", frame * 62.5e-6)
    constant: dict[str, Any] = {
        "layer": 1,
        "issued_s": 1000.0 + frame,
        "sent_s": 999.0,
        "operator": "reference",
        "outcome": Outcome(),
        "regime": "conduction",
        "keyhole_number": 2.5,
        "laser_on": True,
        "leads": tuple(lead(i * 62.5e-6, time_s) for i in range(lead_count)),
    }
    return Forecast(machine=machine, build=name, frame=frame, time_s=time_s, **(constant | fields))


def calibrated(estimate: float = 0.35, quantity: Any = "absorptivity", **fields: Any) -> Calibrated:
    constant = {
        "nominal": 0.31, "low": estimate - 0.02, "high": estimate + 0.03, "signals": "melt_pool_width_m", "frames": 640,
        "identifiable": True, "consistent": True, "followed": False,
    }  # fmt: skip
    return Calibrated(quantity=quantity, estimate=estimate, **(constant | fields))


def field(temperature_k: np.ndarray, lead_s: float = 0.0) -> Field:
    nx, ny, nz = temperature_k.shape
    return Field(
        x_m=np.linspace(-1e-4, 6e-4, nx) ** 3, y_m=np.linspace(0, 2e-4, ny), z_m=np.linspace(0, 1e-4, nz),
        temperature_k=temperature_k, solidus_k=1563.0, boiling_k=3188.0, heading_rad=0.7, lead_s=lead_s,
    )  # fmt: skip


def alert(
    kind: str = "keyhole", *, first_seen_s: float = 1.0, last_seen_s: float = 1.0, number: int = 1, **fields: Any
) -> Alert:
    constant: dict[str, Any] = {
        "severity": "low",
        "x_m": 0.0,
        "y_m": 0.0,
        "evidence": f"seen {last_seen_s}",
        "action": "look",
    }
    return Alert(
        machine="m1", build="b1", kind=kind, layer=number, first_seen_s=first_seen_s, last_seen_s=last_seen_s,
        **(constant | fields),
    )  # fmt: skip


def whole_step(received_s: float = 1000.0) -> Step:
    """A step with something of everything."""
    messages = [
        state(sent_s=990.0), build(), layer(1), plan(0, [0.0, 1.0]), parameters(0, [0.0, 0.5]),
        signal(0, [0.0, 0.1], [1e-4, 2e-4]),
    ]  # fmt: skip
    return Step(
        observations=[heard(message) for message in messages],
        rejects=[Rejected("meltwin/v1/hall/m1/state", b"\xff\x00", "not JSON")] * 2,
        gaps=[Gap("m1", "m1", "parameters", 1, 4, 1000.0)],
        forecasts=[
            forecast(0, fields=(field(np.full((3, 2, 2), 1000.0)),)),
            forecast(1, calibrated=(calibrated(), calibrated(0.0001, "beam_diameter_m"))),
        ],
        alerts=[alert()],
        cards=[{"name": "reference", "kind": "enthalpy"}],
        received_s=received_s,
    )
