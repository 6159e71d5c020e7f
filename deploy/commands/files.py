"""`meltwin import` and `meltwin export`: builds from files and to files."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands.options import Database, Device, Operator, Report

TABLES = ("forecasts", "parameters", "scan_vectors", "signals", "pictures", "layers", "alerts")
Files = Annotated[list[Path], typer.Argument(help="scan paths, logs, HDF5, CLI, CSV; folders of them; zip or tar")]
BuildFile = Annotated[
    Path | None,
    typer.Option(help="TOML with what the files do not carry; left out: `build.toml` beside each, or a shipped one"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="read and check everything, write nothing")]
Forecast = Annotated[bool, typer.Option("--forecast", help="then forecast the build")]


def import_(
    files: Files,
    build_file: BuildFile = None,
    database: Database = None,
    dry_run: DryRun = False,
    forecast: Forecast = False,
    device: Device = None,
    operator: Operator = None,
    report: Report = None,
) -> None:
    """Bring builds from files into the database: what was commanded and observed, without a broker and without a page.

    Scan paths (3DThesis, Peregrine, adamantine), Pelican logs, NIST XYPT and Peregrine HDF5, CLI text, the AMMT frame
    table, CSV with a mapping; each known by its content, also in a zip or tar. What a file does not carry comes from a
    build file and is marked assumed. An import that was broken off goes on where it stopped; importing the same file
    again changes nothing. `--forecast` then gives every layer that lacks them the forecasts that it would have had, at
    the speed of the operator. docs/files.md tells the formats and their limits.

    Examples: `./meltwin import layers/`; `./meltwin import log.csv --build-file log.toml --dry-run`
    """
    from deploy import wiring
    from deploy.settings import load
    from deploy.supervise import StopSignals
    from ingest.errors import IngestError

    settings = load(database=database, device=device, operator=operator)
    rows: list[dict[str, Any]] = []
    faults = 0
    with wiring.holdings(settings, writes=not dry_run) as store, StopSignals() as stop, _Bar() as bar:
        for file in files:
            if stop():
                break
            try:
                with wiring.opened_recording(file, build_file) as recording:
                    bar.begin(str(file), len(recording.layers))
                    brought = wiring.bring(recording, store, settings, dry_run, stop, bar)
            except IngestError as fault:
                faults += 1
                bar.say(f"meltwin: {fault}")
                rows.append({"file": str(file), "error": str(fault)})
                continue
            rows.append({"file": str(file), **asdict(brought)})
            bar.say(_told(file, brought, dry_run))
            if forecast and store is not None and brought.complete and not dry_run and not stop():
                bar.begin(f"forecasts of {brought.build}", brought.layers)
                again = wiring.forecast_again(store, settings, brought.machine, brought.build, stop, bar.forecasts)
                rows[-1]["forecasts"] = again.forecasts
                bar.say(_forecast(again))
    if report:
        report.write_text(json.dumps(rows, indent=2) + "\n")
    raise typer.Exit(2 if faults else 0)


def export(
    build: Annotated[str, typer.Argument(help="a build, `machine/build`, or a machine: its newest build")],
    to: Annotated[Path, typer.Option("--to", help="the file; its ending says the format", dir_okay=False)],
    table: Annotated[str, typer.Option(help="of CSV and Parquet: " + ", ".join(TABLES))] = "forecasts",
    layer: Annotated[int | None, typer.Option(help="of this layer alone")] = None,
    frame: Annotated[int | None, typer.Option(help="of a field: the frame; left out: the newest")] = None,
    database: Database = None,
) -> None:
    """Write a stored build to a file that other programs read; the ending says the format.

    `.csv`, `.parquet`: one table, units in the column names. `.h5`: everything, units as attributes, with cards and
    data hash. `.vtr`, `.vti`, `.vtk`: a temperature field in kelvin. `.vtp`: the scan path with its power. A file is
    written whole or not at all. docs/files.md tells what is where.

    Examples: `./meltwin export m2 --to build.h5`; `./meltwin export P5.4089f6f132a75271 --to path.vtp --layer 52`
    """
    from deploy import wiring
    from deploy.settings import load
    from twin.export import write_build

    settings = load(database=database)
    with wiring.stored(settings) as store:
        place = write_build(store, build, to, table=table, layer=layer, frame=frame)
    print(f"{to}: build {place.build} of machine {place.machine}, {to.stat().st_size:,} bytes")


def _told(file: Path, brought: Any, dry_run: bool) -> str:
    what = f"{file}: build {brought.build} of machine {brought.machine}, {brought.layers:,} layers"
    if brought.complete and not brought.changed:
        return f"{what}: is in the database already ({brought.known:,} messages); nothing changed"
    counts = f"{brought.messages:,} messages, {brought.samples:,} samples, {brought.signals:,} readings"
    before = f", {brought.known:,} messages were there already" if brought.known else ""
    left = ", ".join(f"{name} {count:,}" for name, count in brought.left_out.items())
    lines = [
        f"{what}: {'would bring' if dry_run else 'brought'} {counts}{before}",
        *([f"  left out: {left}"] if left else []),
        *([f"  assumed: {', '.join(brought.assumed)}"] if brought.assumed else []),
        *([] if brought.complete else ["  stopped before the end; the same command goes on from here"]),
    ]
    return "\n".join(lines)


def _forecast(again: Any) -> str:
    known = f"; {again.layers_known:,} layers had theirs already" if again.layers_known else ""
    rest = "" if again.layers_seen == again.layers else "; stopped before the end, the same command goes on from here"
    return f"  forecast {again.forecasts:,} frames of {again.layers_seen - again.layers_known:,} layers{known}{rest}"


class _Bar:
    """How far a file is: a bar of layers with counts on a terminal, else a line every five seconds."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("layers"),
            TextColumn("{task.fields[counts]}"), TimeElapsedColumn(), console=self._console, transient=True,
        )  # fmt: skip
        self._task: Any = None
        self._said_s = 0.0

    def begin(self, name: str, layers: int) -> None:
        """A file begins."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(Path(name).name[:40], total=layers, counts="")

    def __call__(self, brought: Any) -> None:
        self._show(brought, f"{brought.messages:,} messages, {brought.samples:,} samples")

    def forecasts(self, again: Any) -> None:
        """How far the forecasts are."""
        self._show(again, f"{again.forecasts:,} forecasts")

    def _show(self, so_far: Any, counts: str) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, completed=so_far.layers_seen, counts=counts)
            return
        now_s = self._bar.get_time()
        if now_s - self._said_s >= 5.0:
            self._said_s = now_s
            self._console.print(f"{so_far.layers_seen:,} of {so_far.layers:,} layers, {counts}", highlight=False)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def __enter__(self) -> "_Bar":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()
