"""Ranges: numbers that no machine could mean. Beyond them a number is a fault of its sender, and would overflow in
arithmetic that is right for any machine."""

from ingest.codecs.fault import Fault
from twin.observation import Build, Frame, Message

MAX_TIME_S = 1e10  # three hundred years
MAX_POSITION_M = 1e3
MAX_BEAM_POWER_W = 1e6
MIN_FRAME_S = 1e-7
MIN_BEAM_DIAMETER_M = 1e-7
MAX_TEMPERATURE_K = 1e5
MAX_INTENSITY = 1e30  # float32 still holds it

_NUMBERS = {"time_s": MAX_TIME_S, "sent_s": MAX_TIME_S, "x_m": MAX_POSITION_M, "y_m": MAX_POSITION_M}
_COLUMNS = dict.fromkeys(("sample_time_s", "start_s", "dwell_s"), MAX_TIME_S) | {"beam_power_w": MAX_BEAM_POWER_W}
_COLUMNS |= dict.fromkeys(("x_m", "y_m", "z_m", "x0_m", "y0_m", "x1_m", "y1_m"), MAX_POSITION_M)


def out_of_range(message: Message, columns: bool = True) -> Fault | None:
    """The first number that no machine could mean, or None. `columns` False: they have been looked at."""
    for name, number in message.__dict__.items():
        if isinstance(number, list):
            fault = column_out_of_range(name, min(number), max(number)) if columns and name in _COLUMNS else None
            if fault is not None:
                return fault
        elif name in _NUMBERS and number is not None and abs(number) > _NUMBERS[name]:
            return Fault("out_of_range", f"{name} beyond {_NUMBERS[name]:g}")
    if isinstance(message, Build) and message.frame_s < MIN_FRAME_S:
        return Fault("out_of_range", f"frame_s below {MIN_FRAME_S:g}")
    if isinstance(message, Build) and message.beam_diameter_m < MIN_BEAM_DIAMETER_M:
        return Fault("out_of_range", f"beam_diameter_m below {MIN_BEAM_DIAMETER_M:g}")
    return _picture_out_of_range(message) if isinstance(message, Frame) else None


def column_out_of_range(name: str, low: float, high: float) -> Fault | None:
    """What is wrong with a column that reaches from `low` to `high`, or None."""
    limit = _COLUMNS.get(name)
    if limit is None or max(-low, high) <= limit:
        return None
    return Fault("out_of_range", f"{name} beyond {limit:g}")


def _picture_out_of_range(message: Frame) -> Fault | None:
    low, high = (message.offset + message.scale * float(end) for end in (message.value.min(), message.value.max()))
    if message.quantity == "temperature_k":
        if low < 0 or high > MAX_TEMPERATURE_K:
            return Fault("out_of_range", f"a temperature outside 0 to {MAX_TEMPERATURE_K:g} K")
        if message.sensor_min < 0 or message.sensor_max > MAX_TEMPERATURE_K:
            return Fault("out_of_range", f"the sensor's range is outside 0 to {MAX_TEMPERATURE_K:g} K")
    elif max(-low, high) > MAX_INTENSITY:
        return Fault("out_of_range", f"an intensity beyond {MAX_INTENSITY:g}")
    return None
