"""A stretch of one layer as it crosses the wire, and a twin whose forecasts follow from the windows alone."""

from collections.abc import Sequence

from ingest.decode import encode
from ingest.topics import topic_of
from twin.forecast import Alert, Forecast, Lead, MeltPool, Outcome
from twin.observation import Build, Layer, Message, Parameters, State, Window

FRAME_S = 0.01
SAMPLES = 4


def message(kind: str, model: Message) -> tuple[str, bytes]:
    return topic_of("local", "m1", kind), encode(model)


def stretch(messages: int = 20, sent_s: float | None = 100.0) -> list[tuple[str, bytes]]:
    """One layer of a machine: a frame a message, the last one final."""
    build = Build(
        source="s", sequence=0, time_s=0, build="b", material="IN625", beam_diameter_m=1e-4, layer_thickness_m=4e-5,
        nominal_beam_power_w=195, nominal_scan_speed_m_per_s=0.8, frame_s=FRAME_S,
    )  # fmt: skip
    told = [
        message("state", State(source="s", sequence=0, time_s=0, status="online")),
        message("build", build),
        message("layer", Layer(source="s", sequence=0, time_s=0, build="b", layer=1)),
    ]
    for n in range(messages):
        times = [FRAME_S * (n + k / SAMPLES) for k in range(SAMPLES)]
        flat = [0.0] * SAMPLES
        parameters = Parameters(
            source="s", sequence=n, time_s=times[0], sent_s=sent_s, build="b", layer=1, sample_time_s=times,
            x_m=[0.8 * t for t in times], y_m=flat, z_m=flat, beam_power_w=[195.0] * SAMPLES, final=n == messages - 1,
        )  # fmt: skip
        told.append(message("parameters", parameters))
    return told


def advance(windows: Sequence[Window], context_of: object, now_s: float) -> tuple[list[Forecast], list[Alert]]:
    """A twin that forecasts a pool as wide as the frame is long, so that equal windows give equal rows."""
    forecasts = [
        Forecast(
            machine=w.machine, build=w.build, layer=w.layer, frame=w.index, time_s=w.end_s, issued_s=now_s,
            sent_s=w.sent_s, operator="fake", outcome=Outcome(), regime="conduction", keyhole_number=1.0, laser_on=True,
            leads=(Lead(0.0, w.end_s, MeltPool(w.end_s - w.start_s, 0, 0), w.path.x_m[-1], 0, 195),),
        )
        for w in windows
        if not w.skipped
    ]  # fmt: skip
    return forecasts, []
