"""Kinds: what an alert is about, by the status signals of NAMUR NE 107, and which severities want a person's word.

    failure                the number cannot be had: a sensor, a line, a disk or a calculation does not work
    function check         it is had, but not of the process as it is: clocks, restarts, a machine that stood
    out of specification   it is had outside what it is good for, or the process is outside what is good for the part
    maintenance required   still good, but it wears off: a drift, a disk that fills

An alarm asks a person to act (ISA-18.2). What asks for nothing at once is an advisory, severity `low`: it wants no
acknowledgement, and is over when its cause is.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from twin.forecast import OutcomeKind, Severity

Status = Literal["failure", "function_check", "out_of_specification", "maintenance_required"]
FLOOD = "flood"
REFUSED = "card_refused"  # a promoted card cannot serve
ADVISORY: Severity = "low"
RISKS = ("keyhole", "lack_of_fusion", "balling", "overheating")
OF_FORECASTS = frozenset(get_args(OutcomeKind)) | set(RISKS)  # what `Alarms` raises; others are raised elsewhere
SILENCE, FAULT = "silence_", "sensor_"  # and the sensor's name: it says nothing; what it says cannot be

STATUS: Mapping[str, Status] = {
    "outside_envelope": "out_of_specification",
    "unfamiliar": "out_of_specification",
    "off_plan": "out_of_specification",
    "residual": "out_of_specification",
    "drift": "maintenance_required",
    "stale": "failure",
    "non_finite": "failure",
    "too_slow": "failure",
    "clock_skew": "function_check",
    "silence": "function_check",
    "keyhole": "out_of_specification",
    "lack_of_fusion": "out_of_specification",
    "balling": "out_of_specification",
    "overheating": "out_of_specification",
    "gap": "failure",
    "birth": "function_check",
    "rebirth_needed": "failure",
    "broker": "failure",
    "store": "failure",
    "take_over": "function_check",
    "disk_low": "maintenance_required",
    "disk_full": "failure",
    REFUSED: "function_check",
    FLOOD: "function_check",
}


def status_of(kind: str) -> Status:
    """The NE 107 status of an alert. A sensor's silence or fault is a failure; so is a kind that nobody has sorted."""
    return STATUS.get(kind, "failure")


def of_the_twin(kind: str) -> bool:
    """Whether the twin raises it, by its forecasts, their sensors and the cards that it was given."""
    return kind in OF_FORECASTS or kind.startswith(FAULT) or kind == REFUSED


def wants_word(severity: str) -> bool:
    """Whether a person is to acknowledge it."""
    return severity != ADVISORY
