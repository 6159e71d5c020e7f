"""Answers: the run process answers what pages ask, between two turns of its loop.

Live forecasting comes first: one request at a time, and after each at least nine times as long for the loop as it took.
So no forecast waits for more than one answer, and answers take a tenth of the time at most. One that takes long is
answered in pieces, each as an answer of its own in this; quick ones are answered between them. What a request wants is
rebuilt from what is stored, by a twin of its own over the loaded operators; streams that are live are not touched.
"""

import math
from collections.abc import Callable, Generator, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.files.again import windows_of
from twin.attribution.because import OFS, sentence, table
from twin.clock import Clock
from twin.observation import Build, Window
from twin.store.port import Store, StoreUnavailableError
from twin.store.requests import Request

if TYPE_CHECKING:
    from twin.twin import Retraced, Twin

Pieces = Generator[float, None, dict[str, Any]]  # yields the share that is done, gives the answer
KIND = "attribution"
LEASE_S = 30.0
LOOK_S = 0.1  # between two looks at the table
REST = 9  # times as long as the last answer took
MOST_MISSING = 0.1  # of a difference: what parts may leave unexplained
SPATIAL_FRAMES = 2  # how long ago the heat of the map lay


class UnansweredError(Exception):
    """A request cannot be answered, and why."""


class Attributions:
    """Answers `attribution`: why a stored frame says what it says."""

    def __init__(self, store: Store, twin: "Twin") -> None:
        """`twin`: of record; it only retraces."""
        self._store, self._twin = store, twin

    def warm(self) -> None:
        """Run every kernel once, so that nothing is compiled while a machine waits."""
        from operators.attribution.gradients import Scalar
        from operators.attribution.moments import Moments
        from operators.attribution.shares import between
        from operators.engine import Engine
        from operators.groups import Groups
        from operators.operator import Stream

        stream = Stream("warm", Groups(0.05, 0.3, 0.3, 1.0, 0.6, 1.0), 10.0)
        rows = np.array([[0.05 * n, 0.5 * n, 0.0, 12.0, 0.3] for n in range(12)])
        moments = Moments.of(rows, stream, 0.0)
        for operator in self._twin.serving:
            if isinstance(operator, Engine):
                between(operator.gradients(), moments, moments.values * [1.1, 1.0, 1.0, 1.0], Scalar("depth"))

    def __call__(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """arguments: machine, build, layer, frame; `of`: length, width, depth or temperature; lead_s (0: now)."""
        from operators.attribution import faithful
        from operators.attribution.spatial import influence
        from operators.engine import Engine
        from twin.attribution.attribution import HOT, explained, traced

        machine, build, layer, frame = (arguments[name] for name in ("machine", "build", "layer", "frame"))
        of = arguments.get("of", "depth")
        if of not in OFS:
            raise UnansweredError(f"there is no attribution of {of!r}: {', '.join(OFS)}")
        told = self._told(machine, build, layer, frame)
        operator = told.operator
        if not isinstance(operator, Engine):
            raise UnansweredError(f"forecasts of {operator.card['name']} are not attributed: only an ASNO's are")
        frame_s = told.place.build.frame_s
        asked = float(arguments.get("lead_s", 0.0))
        lead = min([0, *told.ahead], key=lambda each: abs(each * frame_s - asked))
        common = {
            "machine": machine, "build": build, "layer": layer, "frame": frame, "of": of, "lead_s": lead * frame_s,
            "operator": operator.card["name"],
        }  # fmt: skip
        why = self._silent(told.place.window, of) or faithful.withheld(operator.card, "parameter", of)
        if why:
            return common | {"shown": False, "sentence": f"Not shown: {why}.", "withheld": why}
        trace = traced(
            told.observed, told.ahead.get(lead), told.stream, told.process,
            nominal_power_w=told.place.build.nominal_beam_power_w,
            nominal_speed_m_per_s=told.place.build.nominal_scan_speed_m_per_s, frame_s=frame_s, lead_s=lead * frame_s,
            absorbs=told.absorbs,
        )  # fmt: skip
        gradients = operator.gradients()
        found, shares, moments = explained(gradients, trace, of, HOT)
        boiling = max(found.value, found.nominal) > told.process.material.boiling_k
        if of == "temperature" and boiling:
            why = "the temperature is above boiling, here or of the nominal track, and by how much nobody has checked"
            return common | {"shown": False, "sentence": f"Not shown: {why}.", "withheld": why}
        if found.defect > MOST_MISSING:
            why = f"the parts miss {found.defect:.0%} of the difference, and {MOST_MISSING:.0%} is the most allowed"
            return common | {"shown": False, "sentence": f"Not shown: {why}.", "withheld": why}
        if not math.isfinite(found.value) or (of != "temperature" and found.value == 0.0):
            raise UnansweredError("there is no melt pool at this lead")
        answer = common | {
            "shown": True, "sentence": sentence(found), "table": table(found, frame_s), "attribution": found.row(),
            "faithfulness": faithful.measured(operator.card)["maps"]["parameter"][of],
        }  # fmt: skip
        why = faithful.withheld(operator.card, "spatial", of)
        if why:
            return answer | {"spatial": None, "spatial_withheld": why}
        lag = SPATIAL_FRAMES * frame_s / told.process.time_s
        places = influence(gradients.grid, shares.at, moments, lag)
        d, grid = told.process.beam_diameter_m, gradients.grid
        largest = max(float(np.abs(places).max()), 1e-30)
        return answer | {
            "spatial": {
                "lag_s": SPATIAL_FRAMES * frame_s, "x_m": (d * grid.x).tolist(), "y_m": (d * grid.y).tolist(),
                "z_m": (d * grid.z).tolist(), "surface": np.round(places[:, :, 0] / largest, 4).tolist(),
                "section": np.round(places[:, len(grid.y) // 2] / largest, 4).tolist(),
            }
        }  # fmt: skip

    def _told(self, machine: str, build: str, layer: int, frame: int) -> "Retraced":
        row = self._store.build(machine, build)
        if row is None:
            raise UnansweredError(f"{machine} has no build {build}")
        constant = Build.model_validate(row)
        windows: list[Window] = []
        every = windows_of(self._store, machine, build, layer)
        windows += takewhile(lambda window: window.index <= frame, every)
        if not windows or windows[-1].index != frame:
            raise UnansweredError(f"layer {layer} of {machine}/{build} has no frame {frame}")
        try:
            return self._twin.retrace(windows, lambda _machine, _build: constant, self._absorbs(windows))
        except ValueError as error:
            raise UnansweredError(str(error)) from error

    def _silent(self, window: Window, of: str) -> str:
        """Why a number of a frame was not told, and is not explained; empty where it was."""
        soon_s = window.end_s + 0.25 * (window.end_s - window.start_s)  # before the next frame ends
        row = self._store.forecast_at(window.machine, window.build, soon_s)
        if row is None or (row["layer"], row["frame"]) != (window.layer, window.index):
            return ""
        reason = row["evidence"] or " ".join(filter(None, (row["outcome"], row["outcome_which"])))
        if row["withheld"]:
            return f"the forecast of this frame was withheld, {reason}"
        if (row["outcome"], row["outcome_which"]) == ("outside_envelope", f"melt-pool {of}"):
            return reason
        return ""

    def _absorbs(self, windows: list[Window]) -> float:
        """What the metal took up over what the rule says, by the stored forecast of the newest of these frames that had
        the laser on; 1 where that went by the rule."""
        lit = next((window for window in reversed(windows) if window.path.beam_power_w.any()), None)
        if lit is None:
            return 1.0
        newest = self._store.absorptivity(lit.machine, build=lit.build, until_s=lit.end_s, limit=2)
        own = newest[(newest.layer == lit.layer) & (newest.frame == lit.index)]
        return 1.0 if own.empty else float((own.absorptivity / own.nominal_absorptivity).iloc[0])


class Answers:
    """What the run loop calls between two turns."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        answer: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]],
        in_pieces: Mapping[str, Callable[[dict[str, Any]], Pieces]] | None = None,
    ) -> None:
        self._store, self._clock, self._answer, self._in_pieces = store, clock, answer, in_pieces or {}
        self._next_s = -math.inf
        self._work: tuple[Request, Pieces] | None = None  # what is answered in pieces now

    def __call__(self) -> float | None:
        """Answer the oldest request, or the next piece of one, if it is time to; the wall seconds that it took."""
        began_s = self._clock.now_s()
        if began_s < self._next_s:
            return None
        self._next_s = began_s + LOOK_S
        try:
            kinds = tuple(self._answer) if self._work else (*self._answer, *self._in_pieces)
            request = self._store.claim(kinds, now_s=began_s, lease_s=LEASE_S)
            if request is None and self._work is None:
                return None
            if request is not None and request.kind in self._answer:
                quick = self._answer[request.kind]
                self._end(request, *_tried(lambda: quick(request.arguments)))
            else:
                self._piece(request)
        except StoreUnavailableError:
            self._work = None
            return None  # the lease runs out, and it is taken up again
        ended_s = self._clock.now_s()
        took_s = ended_s - began_s
        self._next_s = ended_s + max(LOOK_S, REST * took_s)
        return took_s

    def _end(self, request: Request, answer: dict[str, Any] | None, error: str) -> None:
        self._store.answer(request, answer, now_s=self._clock.now_s(), error=error)

    def _piece(self, begun: Request | None) -> None:
        """One piece of the work in hand, or of one that begins; it is let go of where its lease has been lost."""
        request, work = self._work or (None, None)
        if begun is not None:
            request, work = begun, self._in_pieces[begun.kind](begun.arguments)
        if request is None or work is None:
            return
        self._work = (request, work)
        done, error = _tried(lambda: _next(work))
        if isinstance(done, float):
            if not self._store.report(request, done, now_s=self._clock.now_s(), lease_s=LEASE_S):
                work.close()
                self._work = None
            return
        self._work = None
        self._end(request, done, error)


def _next(work: Pieces) -> float | dict[str, Any]:
    """The share that is done after one more piece, or the answer."""
    try:
        return next(work)
    except StopIteration as end:
        return dict(end.value)


def _tried(answer: Callable[[], Any]) -> tuple[Any, str]:
    """(answer, why there is none): a question may fail; forecasting goes on."""
    try:
        return answer(), ""
    except KeyError as missing:
        return None, f"no {missing} in the arguments"
    except (UnansweredError, TypeError, ValueError, ArithmeticError, RuntimeError) as wrong:  # torch's too
        return None, str(wrong) or type(wrong).__name__
