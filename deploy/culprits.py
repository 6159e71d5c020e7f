"""Culprits: one message or one window that cannot be worked out stops nothing else.

What the program itself fails on is a fault of the program, which a restart would meet again with the same message, for
ever. So a message on which reading, placing or ordering fails is kept whole as a reject `failed`, with the reason; a
window on which the twin fails has no forecast: it is told, as a skipped frame and in the alert `failed`. The twin
forgets the streams that were in hand, for nobody knows how far they had come; their heat begins anew. What the store
refuses is looked for message by message.

Not taken for a culprit: errors of the store, those of a device that fails for ever, and the last of too many in a row;
they pass through.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from deploy.advance import Advance, ContextOf
from ingest.codecs.fault import one_line
from ingest.decode import encode
from twin.alarms.acts import Act
from twin.forecast import Alert, Forecast
from twin.observation import Observation, Rejected, Window
from twin.store.port import Step, Store, StoreError, StoreRefusedError

FAILED = "failed"  # the code of a reject that could be read
MOST_IN_A_ROW = 100
_LASTING = "CUDA error"  # after one every call fails: only a new process helps
_Result = TypeVar("_Result")
LetGo = Callable[[Sequence[Window]], None]


class Advanced(NamedTuple):
    """What `Twin.advance` gives, and the windows on which it failed, with the reason."""

    forecasts: list[Forecast]
    alerts: list[Alert]
    failed: list[tuple[Window, str]]


class Tries:
    """Calls that may fail on one message, and not on `MOST_IN_A_ROW`: then it is no message that is to blame."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def __call__(self, do: Callable[[], _Result], topic: str, payload: Callable[[], bytes]) -> _Result | Rejected:
        """What `do` gives; where it fails, the message as a reject."""
        try:
            done = do()
        except StoreError:
            raise
        except Exception as error:
            self._in_a_row += 1
            if self._in_a_row > MOST_IN_A_ROW:
                raise
            return Rejected(topic, payload(), f"could be read, but the program failed on it: {_why(error)}", FAILED)
        self._in_a_row = 0
        return done


def advanced(
    advance: Advance, let_go: LetGo, windows: Sequence[Window], context_of: ContextOf, now_s: float
) -> Advanced:
    """All windows in one step; if that fails, each in a step of its own."""
    try:
        return Advanced(*advance(windows, context_of, now_s), [])
    except StoreError:
        raise
    except Exception as error:  # as above
        if _LASTING in str(error):
            raise
    let_go(windows)
    told = Advanced([], [], [])
    for window in windows:
        try:
            forecasts, alerts = advance([window], context_of, now_s)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # as above
            told.failed.append((window, _why(error)))
            let_go([window])
            continue
        told.forecasts.extend(forecasts)
        told.alerts.extend(alerts)
    return told


def passed(windows: Sequence[Window], failed: Sequence[tuple[Window, str]]) -> list[Window]:
    """The windows of a step, those on which the twin failed as skipped."""
    without = {(window.machine, window.build, window.layer, window.index) for window, _ in failed}
    if not without:
        return list(windows)
    return [replace(w, skipped=w.skipped or (w.machine, w.build, w.layer, w.index) in without) for w in windows]


def without_refused(store: Store, step: Step) -> Step:
    """A step that the store has refused, with the messages that it does not take as rejects; each of the others is kept
    alone first. Raises what the store said where no message is to blame."""
    kept: list[Observation] = []
    acts: list[Act] = []
    rejects = list(step.rejects)

    def takes(one: Step, topic: str, payload: bytes) -> bool:
        try:
            store.write(replace(one, received_s=step.received_s))
        except StoreRefusedError as error:
            text = one_line(f"could be read, but the store does not take it: {error}")
            rejects.append(Rejected(topic, payload, text, FAILED))
            return False
        return True

    for observation in step.observations:
        if takes(Step([observation]), observation.topic, payload_of(observation)):
            kept.append(observation)
    for act in step.acts:
        if takes(Step(acts=[act]), f"{act.machine}/ack", repr(act).encode()):
            acts.append(act)
    if len(rejects) == len(step.rejects):
        store.write(step)  # says it again: it is no message
    return replace(step, observations=kept, rejects=rejects, acts=acts)


def payload_of(observation: Observation) -> bytes:
    """The bytes that were said; of Sparkplug, which says many things at once, what was read from them."""
    return observation.payload or encode(observation.message)


def _why(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({Path(each.filename).name}:{each.lineno})" for each in where)
    return one_line(f"{type(error).__name__}: {error}"[:200] + place)
