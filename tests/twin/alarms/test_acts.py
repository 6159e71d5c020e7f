"""States by ISA-18.2, and what an act must say."""

from typing import Any

import pytest

from twin.alarms.acts import MOST_SHELVED_S, Act, BadActError, state_of
from twin.alarms.kinds import OF_FORECASTS, STATUS, status_of

NONE = float("nan")


def row(**fields: Any) -> dict[str, Any]:
    return {"severity": "medium", "cleared_s": NONE, "acknowledged_s": NONE, "shelved_until_s": NONE} | fields


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "unacknowledged"),
        ({"acknowledged_s": 5.0}, "acknowledged"),
        ({"cleared_s": 5.0}, "returned"),
        ({"cleared_s": 5.0, "acknowledged_s": 6.0}, "cleared"),
        ({"cleared_s": 5.0, "severity": "low"}, "cleared"),
        ({"severity": "low"}, "unacknowledged"),
        ({"shelved_until_s": 11.0}, "shelved"),
        ({"shelved_until_s": 10.0}, "unacknowledged"),
        ({"shelved_until_s": 11.0, "acknowledged_s": 5.0}, "shelved"),
        ({"shelved_until_s": 9.0, "cleared_s": 8.0}, "cleared"),
        ({"shelved_until_s": 9.0, "cleared_s": 9.5}, "returned"),
        ({"cleared_s": None, "acknowledged_s": None, "shelved_until_s": None}, "unacknowledged"),
    ],
)
def test_states_at_ten_seconds(fields: dict[str, Any], state: str) -> None:
    assert state_of(row(**fields), 10.0) == state


def test_nothing_is_silenced_for_good() -> None:
    told = {"machine": "m", "build": "b", "kind": "gap", "deed": "shelved", "by": "Ada", "at_s": 1.0, "note": "why"}
    assert Act(**told, until_s=1.0 + MOST_SHELVED_S).until_s  # type: ignore[arg-type]
    for until_s in (None, 1.0, 2.0 + MOST_SHELVED_S, float("inf")):
        with pytest.raises(BadActError):
            Act(**told, until_s=until_s)  # type: ignore[arg-type]


def test_every_kind_has_a_status_and_those_of_sensors_are_failures() -> None:
    assert OF_FORECASTS - {"ok", "skipped"} <= set(STATUS)
    assert {status_of("silence_photodiode_v"), status_of("never heard of")} == {"failure"}
    assert (status_of("outside_envelope"), status_of("drift")) == ("out_of_specification", "maintenance_required")
