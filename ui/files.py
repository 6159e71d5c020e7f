"""Files: a stored build as a report or in other programs' formats, made when it is asked for and sent as a download.

    GET /file/report-html?machine=M&build=B&layers=50-60     what `./meltwin report` makes
    GET /file/forecasts.csv?machine=M&build=B                what `./meltwin export` makes

Who may read may have them. One is made at a time, in a thread, because it takes seconds and much memory; what cannot
be made is 422, and words.
"""

import re
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from twin.export import ExportError, write_build
from twin.export.source import find
from twin.store.port import StoreError
from ui.access.who import Who, need
from ui.desk import Desk
from ui.doing import RefusedError

FORMS = {
    "report-html": "Report, HTML: opens anywhere, needs no network",
    "report-pdf": "Report, PDF",
    "forecasts.csv": "Forecasts as CSV",
    "forecasts.parquet": "Forecasts as Parquet",
    "alerts.csv": "Alerts as CSV",
    "build.h5": "Everything as HDF5",
    "field.vtr": "Newest temperature field as VTK",
    "path.vtp": "Scan path as VTK",
}
TYPES = {
    ".html": "text/html; charset=utf-8", ".pdf": "application/pdf", ".csv": "text/csv; charset=utf-8",
}  # fmt: skip
PATIENCE_S = 120.0  # for who is before


class Maker:
    """Makes files over a desk's store, one at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._busy = desk, Lock()

    def make(self, form: str, machine: str, build: str, layers: tuple[int, int] | None, by: str) -> tuple[str, bytes]:
        """Name and content of a file. Raises `RefusedError` with words for the person, `StoreError`."""
        if form not in FORMS:
            raise RefusedError(f"There is no {form!r} to be had: {', '.join(FORMS)}.")
        if not self._busy.acquire(timeout=PATIENCE_S):
            raise RefusedError("Another file is still being made. Try again in a while.")
        try:
            make = _report if form.startswith("report-") else _export
            return make(self._desk, form, machine, build, layers, by)
        except ExportError as error:
            raise RefusedError(str(error)) from error
        finally:
            self._busy.release()


def _report(
    desk: Desk, form: str, machine: str, build: str, layers: tuple[int, int] | None, by: str
) -> tuple[str, bytes]:
    from ui.report import made

    ending = form.removeprefix("report-")
    store: Any = desk.store
    content = made.content(store, machine, build, layers, ending, desk.now_s(), by)
    return made.named(machine, build, layers, ending), content


def _export(
    desk: Desk, form: str, machine: str, build: str, layers: tuple[int, int] | None, by: str
) -> tuple[str, bytes]:
    del by
    table, _, ending = form.partition(".")
    one = layers is not None and layers[0] == layers[1]
    if layers is not None and not (one and ending != "h5"):
        raise RefusedError("Of this form there is the whole build, or one layer (not of HDF5): leave the layers empty.")
    store: Any = desk.store
    find(store, f"{machine}/{build}")
    with tempfile.TemporaryDirectory(prefix="meltwin-file-") as folder:
        path = Path(folder) / f"file.{ending}"
        chosen: dict[str, Any] = {"table": table} if ending in ("csv", "parquet") else {}
        write_build(store, f"{machine}/{build}", path, layer=layers[0] if layers else None, **chosen)
        part = f"-layer-{layers[0]}" if layers else ""
        return f"{_plain(machine)}-{_plain(build)}{part}-{form}", path.read_bytes()


def mount_files(server: FastAPI, desk: Desk) -> None:
    """Serve them at `/file/FORM`."""
    maker = Maker(desk)

    @server.get("/file/{form}")
    async def file(form: str, request: Request) -> Response:
        person = need("read")
        asked = request.query_params
        try:
            layers = layers_of(asked.get("layers", ""))
            place = (asked.get("machine", ""), asked.get("build", ""))
            name, content = await run_in_threadpool(maker.make, form, *place, layers, _by(person, asked.get("by", "")))
        except RefusedError as error:
            return PlainTextResponse(str(error), 422)
        except (StoreError, SQLAlchemyError) as error:
            return PlainTextResponse(f"The store cannot be read now: {str(error).splitlines()[0]}", 503)
        kind = TYPES.get(Path(name).suffix, "application/octet-stream")
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(content, media_type=kind, headers=headers)


def layers_of(said: str) -> tuple[int, int] | None:
    """`50-60` or `50`; None for nothing. Raises `RefusedError` for what is neither."""
    found = re.fullmatch(r"(\d{1,8})(?:\s*-\s*(\d{1,8}))?", said.strip())
    if not said.strip():
        return None
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise RefusedError(f"{said!r} is no stretch of layers: 50-60, or 50.")
    return int(found[1]), int(found[2] or found[1])


def _by(person: Who, said: str) -> str:
    """Under which name a report is made: the guard's word; only where nobody signs in, what was said."""
    return person.name if person.by != "nobody" else said.strip()[:64] or "nobody named"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)
