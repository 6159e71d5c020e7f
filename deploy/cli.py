"""The command line: verbs, each told in its own help. Imports are late: `--help` is fast, `ui` needs no torch."""

import os

import typer

from deploy.commands.account import account
from deploy.commands.alerts import alerts
from deploy.commands.attribute import attribute
from deploy.commands.broker import broker
from deploy.commands.check import test
from deploy.commands.db import db
from deploy.commands.demo import demo
from deploy.commands.doctor import doctor
from deploy.commands.files import export, import_
from deploy.commands.live import run, simulate, ui
from deploy.commands.melt_pool import calibrate, melt_pool, train
from deploy.commands.rejects import rejects
from deploy.commands.replay import publish, replay
from deploy.commands.report import report
from deploy.commands.validate import bench, validate
from deploy.errors import told

app = typer.Typer(
    name="meltwin",
    help=(
        "A digital twin for laser metal additive manufacturing: a machine publishes its process parameters over MQTT, "
        "neural operators forecast how the melt pool evolves, forecasts and alerts go to SQL, a page shows them.\n\n"
        "Begin with `./meltwin demo`. Settings: docs/settings.md."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for verb in (demo, run, ui, simulate, replay, melt_pool, attribute, validate, doctor):
    app.command()(told(verb))
app.add_typer(broker, name="broker")
app.command("import")(told(import_))
app.command()(told(export))
app.command()(told(report))
app.add_typer(db, name="db")
app.add_typer(rejects, name="rejects")
app.add_typer(alerts, name="alerts")
app.add_typer(account, name="account")
app.command(hidden=True)(told(publish))  # the half of `replay` that is a process of its own
PASSES_ON = {"ignore_unknown_options": True, "allow_extra_args": True}
app.command(context_settings=PASSES_ON)(bench)
app.command(context_settings=PASSES_ON)(train)
app.command(context_settings=PASSES_ON)(calibrate)
app.command(context_settings=PASSES_ON)(test)


def main() -> None:
    """Entry of `./meltwin` and of the children it starts."""
    # idle threads of one numeric library must not spin where another wants the core; but for some microseconds between
    # two operations they may: a forecast takes half as long again without
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    app(prog_name="meltwin")


if __name__ == "__main__":
    main()
