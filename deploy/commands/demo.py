"""`meltwin demo`: everything at once on simulated machines."""

import json
from typing import TYPE_CHECKING, Any

from deploy.commands.options import Database, Device, Headless, Keep, MqttPort, Operator, Report, Seconds, Seed, UiPort

if TYPE_CHECKING:
    from deploy.run import RunLoop
    from deploy.settings import Settings

ASK_AFTER_FRAMES = 40


def demo(
    seconds: Seconds = None,
    headless: Headless = False,
    report: Report = None,
    seed: Seed = None,
    database: Database = None,
    keep: Keep = False,
    mqtt_port: MqttPort = None,
    ui_port: UiPort = None,
    device: Device = None,
    operator: Operator = None,
) -> None:
    """Watch a melt pool being forecast from a machine's MQTT messages: broker, two simulated machines, twin and page.

    One machine (DED) runs in real time; the other (LPBF) in slow motion, 1 : 1600, because a laser at 0.8 m/s makes
    16,000 frames a second. Open the address that is printed when the page answers. Ctrl-C stops everything. Writes to a
    fresh database that is gone afterwards, and nobody has to sign in; `--keep` or `--database` says otherwise, and then
    they have to.

    Examples: `./meltwin demo`; `./meltwin demo --headless --for 20 --report r.json`
    """
    from tempfile import TemporaryDirectory

    from deploy.first import NOBODY_SIGNS_IN, show_first
    from deploy.progress import Progress
    from deploy.session import through_broker
    from deploy.settings import load
    from deploy.wiring import choose_device

    with TemporaryDirectory(prefix="meltwin-demo-", ignore_cleanup_errors=True) as folder:
        fresh = None if keep or database else folder
        settings = load(
            seed=seed,
            database=database,
            mqtt_port=mqtt_port,
            ui_port=ui_port,
            device=device,
            operator=operator,
            data_dir=fresh,
            follow_machines=("*",),  # their sensors are calibrated: they read the pool that the machine has
            **(NOBODY_SIGNS_IN if fresh else {}),
        )
        if not headless:
            show_first(settings)
        until = f"for {seconds:g} s" if seconds else "until Ctrl-C"
        publisher = [
            "simulate",
            *(["--for", f"{seconds:g}"] if seconds else []),
            *([] if keep or database else ["--run", ""]),
        ]
        with Progress(f"Meltwin demo {until}", None if headless else settings.ui_port) as progress:

            def each_turn(loop: "RunLoop", said: dict[str, Any]) -> None:
                progress(loop, said)
                ask_once(loop)

            ask_once = AskOnce(settings)
            ended = through_broker(settings, publisher, headless=headless, each_turn=each_turn)
        tally = ended.loop.tally
        row = tally.report(
            messages_published=ended.said.get("messages_published", 0),
            device=choose_device(settings.device),
            seed=settings.seed,
        )
        progress.say(summary(row))
        if report:
            report.write_text(json.dumps(row, indent=2) + "\n")


class AskOnce:
    """Asks why, once, of the newest frame with the laser on, as a page would."""

    def __init__(self, settings: "Settings") -> None:
        self._settings, self._asked = settings, False

    def __call__(self, loop: "RunLoop") -> None:
        """Call it after every turn."""
        from deploy.wiring import ask, stored

        if self._asked or loop.tally.frames_forecast < ASK_AFTER_FRAMES:
            return
        with stored(self._settings) as store:
            newest = [store.latest_forecast(machine) for machine in store.machines()["machine"]]
        for row in newest:
            if not self._asked and row and row["laser_on"] and not row["withheld"]:
                about = {name: row[name] for name in ("machine", "build", "layer", "frame")} | {"of": "depth"}
                ask(self._settings, "attribution", about, "demo", within_s=30.0)
                self._asked = True


def summary(row: dict[str, object]) -> str:
    """The report in a few lines."""
    return "\n".join(f"{name:>20}  {value}" for name, value in row.items() if name != "realtime_factor")
