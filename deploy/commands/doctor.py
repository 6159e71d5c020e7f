"""`meltwin doctor`: what is here, what is missing, what would lose data, and what to do; one line each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deploy.checks.finding import Finding
    from deploy.settings import Settings


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of lines")] = False,
    broker_config: Annotated[
        Path | None, typer.Option(help="mosquitto.conf, where the broker is not found by itself", dir_okay=False)
    ] = None,
) -> None:
    """Look at this computer: packages, device, ports, disk, clock, database, broker, credentials, weights,
    what serves which machine, programs.

    A line each: what, what was found, what to do. `LOSES` is what would lose data as it stands, `UNSAFE` lets strangers
    in, `MISSING` stops a start; with any of the three the exit code is 1. `look` asks for a person's judgement, also
    where something cannot be known from here.

    Examples: `./meltwin doctor`; `./meltwin doctor --json --broker-config /etc/mosquitto/mosquitto.conf`
    """
    from deploy.checks.finding import BAD
    from deploy.settings import load

    settings = load()
    found = []
    for finding in findings(settings, broker_config):
        found.append(finding)
        if not as_json:
            typer.echo(finding.line)
    bad = any(finding.state in BAD for finding in found)
    if as_json:
        typer.echo(json.dumps({"ok": not bad, "findings": [finding.row() for finding in found]}, indent=2))
    raise typer.Exit(1 if bad else 0)


def findings(settings: "Settings", broker_config: Path | None = None) -> Iterator["Finding"]:
    """Every check in the order in which a start would fail."""
    from deploy.checks import broker, store, system
    from deploy.wiring import access

    yield from system.packages()
    yield system.device()
    yield from system.ports(settings)
    yield store.folder(settings)
    yield system.disk(settings.data_dir, settings.disk_spare_mib, settings.disk_stop_mib)
    yield from system.clock()
    yield from store.store(settings)
    yield from broker.credentials(settings)
    if settings.broker == "embedded":
        yield from broker.embedded()
    else:
        yield from broker.external(settings, access(settings), broker_config)
    yield from store.weights()
    yield from store.serving(settings)
    yield from system.programs()
    yield system.rendering()
