"""`meltwin replay`: a recorded build once more, as if it happened now."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands.options import Database, Device, Headless, Keep, MqttPort, Report, UiPort

Source = Annotated[Path, typer.Argument(help="a recorded build; docs/files.md tells the formats")]
Speed = Annotated[str, typer.Option(help="process seconds a wall second, or `max`: as fast as it goes")]
BuildFile = Annotated[
    Path | None,
    typer.Option(help="TOML with what the log does not carry; left out: `build.toml` beside it, or a shipped one"),
]
Operators = Annotated[
    list[str] | None,
    typer.Option("--operator", help="card that forecasts, `auto` or `reference`; said again: a second opinion beside"),
]
RunName = Annotated[str, typer.Option("--run", help="suffix of the build's and the source's name")]


def replay(
    source: Source,
    speed: Speed = "max",
    direct: Annotated[bool, typer.Option("--direct", help="straight into the twin, without a broker")] = False,
    build_file: BuildFile = None,
    headless: Headless = False,
    report: Report = None,
    database: Database = None,
    keep: Keep = False,
    mqtt_port: MqttPort = None,
    ui_port: UiPort = None,
    device: Device = None,
    operator: Operators = None,
) -> None:
    """Play a recorded build through broker, twin, store and page, to its end, and add up the counts.

    What a log does not carry (alloy, spot, power) comes from a build file and is marked assumed. Writes to a fresh
    database that is gone afterwards, unless `--keep` or `--database` says otherwise; replaying into the same database
    twice changes nothing. With `--operator` several times the first one forecasts and the others are asked for a second
    opinion on every frame: all are kept, the page shows them together, and the summary compares them.

    Examples: `./meltwin replay layers/ --headless`; `./meltwin replay pelican/ --speed 5 --build-file pelican.toml`;
    `./meltwin replay layers/ --operator asno-melt-pool --operator reference --report compared.json`
    """
    from tempfile import TemporaryDirectory

    from deploy import session, wiring
    from deploy.compare import compared
    from deploy.first import NOBODY_SIGNS_IN, show_first
    from deploy.progress import Progress
    from deploy.settings import load

    _speed(speed)  # a mistake is told before anything starts
    with TemporaryDirectory(prefix="meltwin-replay-", ignore_cleanup_errors=True) as folder:
        settings = load(
            database=database, mqtt_port=mqtt_port, ui_port=ui_port, device=device,
            data_dir=None if keep or database else folder, **_asked(operator or []),
            **({} if keep or database else NOBODY_SIGNS_IN),
        )  # fmt: skip
        if operator:  # it is said for all machines
            settings = settings.model_copy(update={"operators": {}})
        recording = wiring.open_recording(source, build_file)
        if not headless:
            show_first(settings)
        until = "no page" if headless else "Ctrl-C leaves the page"
        title = f"Replay of {source}: {len(recording.layers)} layers, {speed} speed; {until}"
        with Progress(title, None if headless else settings.ui_port) as progress:
            if direct:
                straight_in = wiring.direct_source(recording, settings)
                ended = session.straight(settings, straight_in, headless=headless, each_turn=progress)
            else:
                publisher = ["publish", str(source.absolute()), "--speed", speed]
                publisher += ["--build-file", str(build_file.absolute())] if build_file else []
                ended = session.through_broker(settings, publisher, headless=headless, each_turn=progress)
        tally = ended.loop.tally
        read = ended.said.get("messages_read", tally.messages_taken)
        published = ended.said.get("messages_published", 0)
        row = tally.report(
            messages_published=published, device=wiring.choose_device(settings.device), seed=settings.seed
        )
        row |= {
            "messages_read": read,
            "windows": tally.windows,
            "withheld": tally.withheld,
            "skipped": tally.skipped,
            "left_out": recording.dropped,
            "opinions": {name: dict(sorted(kinds.items())) for name, kinds in tally.opinions.items()},
        }
        if tally.opinions:
            with closing(wiring.read_store(settings)) as store:
                row["compared"] = compared(store, ended.loop)
        faults = [] if ended.interrupted else does_not_add_up(row)
        progress.say(_summary(row, ended.interrupted, faults))
        if report:
            report.write_text(json.dumps(row, indent=2) + "\n")
        raise typer.Exit(1 if faults else 0)


def publish(
    source: Source,
    speed: Speed = "max",
    build_file: BuildFile = None,
    mqtt_port: MqttPort = None,
    run_name: RunName = "",
) -> None:
    """Publish a recorded build to a broker, and nothing else; prints JSON lines with what the broker has confirmed.

    Example: `./meltwin publish layers/ --speed 1 --run second`
    """
    from deploy import wiring
    from deploy.settings import load
    from deploy.supervise import StopSignals
    from ingest.replay import replay as say_again
    from ingest.simulate import Said
    from twin.clock import SystemClock

    settings = load(mqtt_port=mqtt_port)
    recording = wiring.open_recording(source, build_file, run_name)
    told_s = 0.0
    with wiring.publisher_of(recording, settings) as publisher, StopSignals(wiring.closer([publisher])) as stop:

        def tell(said: Said, at_least_s: float = 0.5) -> None:
            nonlocal told_s
            if said.wall_s - told_s >= at_least_s:
                told_s = said.wall_s
                print(json.dumps({"messages_read": said.total, "messages_published": publisher.published}), flush=True)

        said = say_again(recording, publisher, SystemClock(), _speed(speed), settings.site, stop, tell)
        tell(said, at_least_s=-1.0)


def does_not_add_up(row: dict[str, Any]) -> list[str]:
    """The laws of a replay, each that does not hold as one line."""
    kept = row["messages_committed"] + row["rejected"] + row["duplicates_absorbed"]
    told = row["frames_forecast"] + row["withheld"]
    laws: dict[str, tuple[Any, Any]] = {
        "messages read = published": (row["messages_read"], row["messages_published"]),
        "published = committed + rejected + duplicates": (row["messages_published"], kept),
        "windows = forecasts + withheld + skipped": (row["windows"], told + row["skipped"]),
        "outcomes = forecasts + withheld + skipped": (sum(row["outcomes"].values()), told + row["skipped"]),
    }
    for name, kinds in row["opinions"].items():
        laws[f"windows = opinions of {name}"] = (row["windows"], sum(kinds.values()))
    return [f"{law} does not hold: {left:,} and {right:,}" for law, (left, right) in laws.items() if left != right]


def _asked(operators: list[str]) -> dict[str, Any]:
    """Settings of who is asked: the first forecasts."""
    if not operators:
        return {}
    first, *others = operators
    return {"operator": first, "opinions": tuple(others)}


def _summary(row: dict[str, Any], interrupted: bool, faults: list[str]) -> str:
    from deploy.compare import told

    end = "stopped before the end" if interrupted else "the counts do not add up" if faults else "the counts add up"
    return "\n".join(
        [
            f"messages read {row['messages_read']:,} = published {row['messages_published']:,} = committed "
            f"{row['messages_committed']:,} (rejected {row['rejected']:,}, duplicates {row['duplicates_absorbed']:,})",
            f"windows {row['windows']:,} = forecasts {row['frames_forecast']:,} + withheld {row['withheld']:,} + "
            f"skipped {row['skipped']:,}; gaps {row['gaps']:,}, alerts {row['alerts']:,}",
            f"outcomes {', '.join(f'{kind} {count:,}' for kind, count in row['outcomes'].items()) or 'none'}",
            *(line for each in row.get("compared", ()) for line in told(each)),
            *faults,
            f"Replay: {end}.",
        ]
    )


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise typer.BadParameter(f"{text!r} is neither a number above 0 nor `max`", param_hint="--speed")
    return speed
