"""`meltwin report`: a build, or a stretch of it, as HTML or PDF; and whether such a file still holds."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.commands.options import Database

if TYPE_CHECKING:
    from ui.report import Rows

Machine = Annotated[str | None, typer.Argument(help="the machine")]
Build = Annotated[str | None, typer.Argument(help="the build; left out: the machine's newest")]
Layers = Annotated[str | None, typer.Option(help="A-B, or one layer; left out: all")]
FromS = Annotated[float | None, typer.Option("--from-s", help="process time from which, in s")]
ToS = Annotated[float | None, typer.Option("--to-s", help="process time to which, in s")]
Out = Annotated[Path | None, typer.Option(help="the file: .html or .pdf", dir_okay=False)]
By = Annotated[str | None, typer.Option(help="who makes it; left out: who is logged in here")]
View3d = Annotated[bool, typer.Option("--view-3d", help="beside it FILE.3d.html, 4.9 MB, with the melt pool to turn")]
NoPool = Annotated[bool, typer.Option("--no-pool", help="without the picture of the pool that needs OpenGL")]
Verify = Annotated[Path | None, typer.Option(help="check this report against the store", dir_okay=False)]


def report(
    machine: Machine = None,
    build: Build = None,
    layers: Layers = None,
    from_s: FromS = None,
    to_s: ToS = None,
    out: Out = None,
    by: By = None,
    view_3d: View3d = False,
    no_pool: NoPool = False,
    verify: Verify = None,
    database: Database = None,
) -> None:
    """Write a report of a stored build, or of a stretch of it, that one may hand to a customer: `.html` or `.pdf`.

    One file that opens without a network: what was built with what, how many frames are in order and what is not
    known, melt-pool sizes with observed beside forecast, maps, the temperature field, alerts with who acknowledged
    them, notes, operator cards, hashes, versions. A PDF is printed by Chromium, Chrome or Edge. `--verify` says whether
    a report's bytes are whole and whether the store still says the same; it exits with 1 where not. docs/reports.md
    shows one.

    Examples: `./meltwin report m2 --out build.html`; `./meltwin report m2 P5 --layers 50-60 --out p5.pdf`;
    `./meltwin report --verify p5.pdf`
    """
    from deploy import wiring
    from deploy.errors import MeltwinError
    from deploy.settings import load
    from twin.clock import SystemClock
    from ui.report import Stamp, document, read, stretch_of
    from ui.report.made import program, sealed, with_pool

    settings = load(database=database)
    if verify is not None:
        raise typer.Exit(_verify(verify, settings))
    if machine is None or out is None:
        raise MeltwinError("say which machine and where to: ./meltwin report MACHINE BUILD --out FILE.html")
    if out.suffix not in (".html", ".pdf"):
        raise MeltwinError(f"{out}: a report goes to .html or .pdf")
    if layers and (from_s is not None or to_s is not None):
        raise MeltwinError("a stretch is by --layers or by time, not both")
    if not out.parent.is_dir():
        raise MeltwinError(f"{out}: there is no folder {out.parent}")
    if out.suffix == ".pdf":
        from ui.report.printing import browser

        browser()  # that there is none is told before anything is read
    with wiring.stored(settings) as store, _Line() as line:
        chosen = build if build is not None else _newest(store, machine)
        rows = read(store, stretch_of(store, machine, chosen, _numbers(layers), from_s, to_s), line)
    rows = rows if no_pool else with_pool(rows)
    beside = out.with_suffix(".3d.html") if view_3d else None
    if beside is not None and not _view(rows, beside):
        beside = None
    stamp = Stamp(SystemClock().now_s(), by or _person(), program(), beside.name if beside else "")
    content = sealed(document(rows, stamp), rows, out.suffix[1:])
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(content)
    part.replace(out)
    of = f"{len(rows.layers):,} layers of build {chosen} of machine {machine}"
    print(f"{out}: {of}, {len(content):,} bytes; data {rows.said.data_hash[:12]}…")
    if beside is not None:
        print(f"{beside}: {beside.stat().st_size:,} bytes")


def _view(rows: "Rows", path: Path) -> bool:
    if rows.snapshot is None:
        print("meltwin: no temperature field of this stretch is stored: there is no view to turn", file=sys.stderr)
        return False
    from ui.report.drawing.pool import view_3d
    from ui.report.sections.place import unit_of

    of = rows.snapshot
    title = f"Melt pool of {rows.stretch.machine}, {rows.stretch.build}, layer {of.layer}, frame {of.frame}"
    path.write_text(view_3d(of.field, unit_of(rows), title), encoding="utf-8")
    return True


def _verify(path: Path, settings: Any) -> int:
    """Two questions: are the bytes those that were sealed, and does the store say the same."""
    from deploy import wiring
    from deploy.errors import MeltwinError
    from twin.store.sql.stretch import Stretch
    from ui.report import seal
    from ui.report.rows import forecast_hash

    if not path.is_file():
        raise MeltwinError(f"{path}: there is no such file")
    sealed = seal.opened(path.read_bytes(), path.name)
    said = sealed.said
    stretch = Stretch(*(said[name] for name in ("machine", "build", "first_layer", "last_layer", "from_s", "to_s")))
    with wiring.stored(settings) as store, _Line() as line:
        now = store.said(stretch, lambda layer: line(f"hash of layer {layer}"))
        forecasts = forecast_hash(store, stretch)
    whole = "whole: its bytes are those that were sealed" if sealed.whole else "CHANGED since it was sealed"
    data = now.data_hash == said["data_hash"]
    lines = [
        f"{path}: {whole}",
        f"messages: {_same(data)}, {now.messages:,} in the store, {said['messages']:,} in the report",
        f"forecasts: {_same(forecasts == said['forecast_hash'])}",
    ]
    print("\n".join(lines))
    return 0 if sealed.whole and data and forecasts == said["forecast_hash"] else 1


def _same(holds: bool) -> str:
    return "the same" if holds else "NOT the same"


def _newest(store: Any, machine: str) -> str:
    found = store.build(machine)
    return str(found["build"]) if found else ""


def _numbers(layers: str | None) -> tuple[int, int] | None:
    from deploy.errors import MeltwinError

    if layers is None:
        return None
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", layers.strip())
    if not found:
        raise MeltwinError(f"{layers!r} is no stretch of layers: 50-60, or 50")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise MeltwinError(f"{layers!r} ends before it begins")
    return first, last


def _person() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "nobody named"


class _Line:
    """What is being read, on a terminal only, in one line that goes away."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._status = self._console.status("reading")

    def __call__(self, said: str) -> None:
        self._status.update(said)

    def __enter__(self) -> "_Line":
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._status.stop()
