"""Serve: a replay's two questions, each a GET that answers JSON.

    /replay/course?machine=&build=                    the timeline, and what one may jump to
    /replay/moment?machine=&build=&at=&opinion=       every panel as of that process time (and what is chosen of how)

A browser asks for the next moment when it has drawn the last one, so nothing queues; all viewers' questions go one at a
time through a thread and a store of their own, beside that of the live feed.
"""

import asyncio
import json
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from plotly.io.json import to_json_plotly
from sqlalchemy.exc import SQLAlchemyError

from twin.clock import Clock
from twin.course import Course
from twin.store.port import Store, StoreError, StoreMissingError
from ui.access.who import need
from ui.live import PALETTES
from ui.pages import machine
from ui.replay import parts
from ui.replay.moment import Recall
from ui.replay.words import told

MOST_JUMPS = 5000
NOTHING = "No build is stored yet. ./meltwin run takes builds from machines, ./meltwin import FILE from files."
_log = logging.getLogger(__name__)


class Replays:
    """Answers about stored builds out of a store that is opened when first asked."""

    def __init__(self, open_store: Callable[[], Store], clock: Clock) -> None:
        self._open_store, self._clock = open_store, clock
        self._recall: Recall | None = None
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ui-replay")

    async def course(self, machine: str, build: str, scheme: str) -> str | None:
        """The timeline as JSON; None where there is no such build."""
        return await self._ask(self._course, machine, build, scheme)

    async def moment(
        self, machine: str, build: str, at_s: float, *, opinion: str, asked: dict[str, str], scheme: str,
        seen: dict[str, int],
    ) -> str | None:  # fmt: skip
        """A moment as JSON: the parts that are not what the viewer holds; None where there is no such build."""
        return await self._ask(self._moment, machine, build, at_s, opinion, asked, scheme, seen)

    async def _ask(self, answer: Callable[..., str | None], *about: Any) -> str | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, answer, *about)

    def close(self) -> None:
        """Let go of the store."""
        self._thread.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    def _recalls(self) -> Recall:
        if self._recall is None:
            self._store = self._open_store()
            self._recall = Recall(self._store)
        return self._recall

    def _course(self, machine: str, build: str, scheme: str) -> str | None:
        recall = self._recalls()
        message = recall.build(machine, build)
        course = recall.course(machine, build, self._clock.now_s())
        if message is None and course.span is None:
            return None
        notes = recall.notes(machine, build, self._clock.now_s())
        told = {
            "span": course.span, "frame_s": message["frame_s"] if message else None,
            "goes_on": course.goes_on, "opinions": recall.opinions(machine, build),
            "operators": recall.operators(machine, build), **_jumps(course),
            "part": message["part"] if message else "", "material": message["material"] if message else "",
        }  # fmt: skip
        return _json(told, {"course": parts.course_part(course, notes, PALETTES[scheme])}, {})

    def _moment(
        self, machine: str, build: str, at_s: float, opinion: str, asked: dict[str, str], scheme: str,
        seen: dict[str, int],
    ) -> str | None:  # fmt: skip
        recall, now_s = self._recalls(), self._clock.now_s()
        course = recall.course(machine, build, now_s)
        if course.span is None and recall.build(machine, build) is None:
            return None
        moment = recall.moment(machine, build, at_s, opinion, now_s)
        words = told(moment, course, recall.notes(machine, build, now_s))
        latest = moment.snapshot.fresh.latest
        said = {
            "at_s": at_s, "shown": words.shown, "layer": moment.here.layer, "frame": moment.frame,
            "frame_s": moment.frame_s, "frame_layer": int(latest["layer"]) if latest else None,
            "before_s": moment.before_s, "after_s": moment.after_s,
            "operator": str(latest["operator"]) if latest else "",
        }  # fmt: skip
        return _json(said, parts.drawn(moment, words, PALETTES[scheme], asked), seen)


def _jumps(course: Course) -> dict[str, Any]:
    """What one may jump to, in time."""
    layers = course.layers.sort_values(["begun_s", "layer"])
    gaps = course.breaks[course.breaks["kind"] == "silence"]
    return {
        "layers": layers[["layer", "begun_s", "last_time_s"]].head(MOST_JUMPS).values.tolist(),
        "alerts": sorted(set(course.alerts["begin_s"].tolist()))[:MOST_JUMPS],
        "gaps": gaps[["begin_s", "end_s"]].values.tolist(),
    }


def _json(said: dict[str, Any], drawn: dict[str, Any], seen: dict[str, int]) -> str:
    texts = {name: to_json_plotly(props) for name, props in drawn.items()}
    stamps = {name: crc32(text.encode()) for name, text in texts.items()}
    newer = ",".join(
        f'"{name}":{{"stamp":{stamps[name]},"props":{text}}}'
        for name, text in texts.items()
        if seen.get(name) != stamps[name]
    )
    return f'{{"said":{json.dumps(said, allow_nan=False)},"parts":{{{newer}}}}}'


def mount_replays(server: FastAPI, replays: Replays) -> None:
    """Serve both questions."""

    @server.get("/replay/course")
    async def course(request: Request) -> Response:
        need("read")
        asked = request.query_params
        scheme = "dark" if asked.get("scheme") == "dark" else "light"
        return await _answer(replays.course(asked.get("machine", ""), asked.get("build", ""), scheme))

    @server.get("/replay/moment")
    async def moment(request: Request) -> Response:
        need("read")
        asked = request.query_params
        try:
            at_s = float(asked.get("at", ""))
            seen = json.loads(asked.get("seen") or "{}")
        except ValueError:
            at_s, seen = math.nan, {}
        if not math.isfinite(at_s) or not isinstance(seen, dict):
            return PlainTextResponse("A moment is a number of process seconds (at).", 422)
        return await _answer(
            replays.moment(
                asked.get("machine", ""), asked.get("build", ""), at_s, opinion=asked.get("opinion", ""),
                asked={part.choice: asked.get(part.choice, "") for part in machine.PARTS if part.choice},
                scheme="dark" if asked.get("scheme") == "dark" else "light", seen=seen,
            )
        )  # fmt: skip


async def _answer(answer: Any) -> Response:
    try:
        text = await answer
    except StoreMissingError:  # nothing is wrong: nothing was ever written
        return Response(json.dumps({"missing": NOTHING}), media_type="application/json")
    except (StoreError, SQLAlchemyError) as error:
        _log.warning("a replay could not be read: %s", error)
        return PlainTextResponse(f"The store cannot be read now: {str(error).splitlines()[0]}", 503)
    if text is None:
        return PlainTextResponse("There is no such build in this store.", 404)
    return Response(text, media_type="application/json")
