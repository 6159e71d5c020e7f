"""`meltwin run`, `ui` and `simulate`: the long-running programs, one each."""

import json
from typing import Annotated

import typer

from deploy.commands.options import Database, Device, MqttPort, Operator, Seconds, Seed, UiPort


def run(
    database: Database = None,
    mqtt_port: MqttPort = None,
    device: Device = None,
    operator: Operator = None,
) -> None:
    """Take messages from the broker, forecast, and write to the database, until Ctrl-C.

    Serves /metrics, /healthz and /readyz on the setting `metrics_port`. Starts the embedded broker on 127.0.0.1, unless
    the setting `broker` is `external`. A message is acknowledged after the transaction that holds what it caused; after
    a restart the unfinished layers go on where they were.

    Example: `./meltwin run`, and beside it `./meltwin ui` and a machine (or `./meltwin simulate`).
    """
    from deploy.monitor.logs import as_json
    from deploy.progress import Progress
    from deploy.session import live
    from deploy.settings import load

    settings = load(database=database, mqtt_port=mqtt_port, device=device, operator=operator)
    place = f"{settings.mqtt_host}:{settings.mqtt_port}"
    if as_json(settings.log_format):  # nobody watches: the log tells once a minute how it goes
        live(settings, lambda loop, said: None)
        return
    with Progress(f"Taking messages on {place}, writing to {settings.database_place}. Ctrl-C stops.") as progress:
        live(settings, progress)


def ui(database: Database = None, ui_port: UiPort = None) -> None:
    """Serve the page on 127.0.0.1, until Ctrl-C. It starts without torch, and writes only what people do.

    Whoever opens it signs in. The first start makes the account `engineer` and shows its password once
    (docs/accounts.md).

    Example: `./meltwin ui --ui-port 8051`, then open http://127.0.0.1:8051
    """
    from deploy import wiring
    from deploy.errors import PortTakenError
    from deploy.first import first_account
    from deploy.monitor.logs import configure
    from deploy.settings import load
    from twin.clock import SystemClock
    from ui.serve import PortInUseError, serve

    settings = load(database=database, ui_port=ui_port)
    configure(settings.log_format, settings.log_level, SystemClock())
    typer.echo(f"The page: http://127.0.0.1:{settings.ui_port}  (reads {settings.database_place}; Ctrl-C stops)")
    try:
        serve(
            settings.database_url,
            settings.ui_port,
            hosts=settings.ui_hosts,
            stale_after_s=settings.stale_s,
            access=wiring.page_access(settings, first_account(settings)),
        )
    except PortInUseError as error:
        raise PortTakenError(settings.ui_port, "ui_port") from error


def simulate(
    seconds: Seconds = None,
    mqtt_port: MqttPort = None,
    seed: Seed = None,
    run_name: Annotated[
        str | None, typer.Option("--run", help="name of this run in builds and sources; left out: the time")
    ] = None,
) -> None:
    """Publish two simulated machines to a broker: a DED wall in real time, an LPBF hatch in slow motion (1 : 1600).

    Parameters, the plan ahead and noisy melt-pool signals, the same for the same seed. Needs a broker: `./meltwin run`
    starts one. Prints one JSON object twice a second with what the broker has confirmed.

    Example: `./meltwin simulate --for 60 --seed 7`
    """
    from math import inf

    from deploy import wiring
    from deploy.settings import load
    from deploy.supervise import StopSignals
    from ingest.simulate import Said
    from ingest.simulate import simulate as speak
    from twin.clock import SystemClock

    settings = load(mqtt_port=mqtt_port, seed=seed)
    clock = SystemClock()
    name = f"{clock.now_s():.0f}" if run_name is None else run_name
    told_s = 0.0
    with (
        wiring.simulated_machines(settings, name) as publishers,
        StopSignals(wiring.closer(publishers.values())) as stop,
    ):

        def tell(said: Said) -> None:
            nonlocal told_s
            if said.wall_s - told_s >= 0.5:
                told_s = said.wall_s
                report(said)

        def report(said: Said) -> None:
            confirmed = sum(publisher.published for publisher in publishers.values())
            row = {"messages_published": confirmed, "process_s": said.process_s, "wall_s": round(said.wall_s, 3)}
            print(json.dumps(row), flush=True)

        report(speak(publishers, clock, settings.seed, seconds or inf, settings.site, name, stop, tell))
