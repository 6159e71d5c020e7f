"""`meltwin alerts`: what stands, what was done about it, and a person's word: acknowledge, shelve."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.commands.options import Database
from deploy.errors import MeltwinError, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.store.port import Store

alerts = typer.Typer(
    help=(
        "Alerts of the store: list what stands, say that you know of one, silence one until a time. Every act is kept "
        "with who, when and why, and is seen by the `run` that is going on, the page, and who listens over MQTT.\n\n"
        'Example: `./meltwin alerts list`, then `./meltwin alerts acknowledge m1 keyhole --by Ada --note "power down"`'
    ),
    no_args_is_help=True,
)
Machine = Annotated[str, typer.Argument(help="name of the machine")]
Kind = Annotated[str, typer.Argument(help="kind of the alert, as `list` shows it: keyhole, stale, ...")]
By = Annotated[str, typer.Option("--by", help="your name")]
Note = Annotated[str, typer.Option("--note", help="why, or what you did about it")]
Build = Annotated[str | None, typer.Option("--build", help="left out: the one of the machine's newest such alert")]
MOST = 1000


def list_(
    database: Database = None,
    machine: Annotated[str | None, typer.Option("--machine", help="of this machine only")] = None,
    every: Annotated[bool, typer.Option("--all", help="also those that are cleared")] = False,
    most: Annotated[int, typer.Option("--most", min=1, help="the newest so many")] = 50,
) -> None:
    """Show alerts that stand: their cause is there, or they wait for somebody's word; by severity, with their state.

    Example: `./meltwin alerts list --machine ded-1`
    """
    from twin.alarms.acts import state_of
    from twin.alarms.kinds import status_of
    from twin.clock import SystemClock

    now_s = SystemClock().now_s()

    def rows(store: "Store") -> "list[dict[Any, Any]]":
        return store.alerts(machine, standing_only=not every, limit=most).to_dict("records")

    order = ("high", "medium", "low")
    found = sorted(_with(database, rows), key=lambda row: order.index(row["severity"]))
    for row in found:
        state = state_of(row, now_s)
        name = f"{row['machine']}  {row['build'] or '-'}  {row['kind']} #{row['occurrence']}"
        times = f" x{row['count']}" if row["count"] > 1 else ""
        typer.echo(f"{row['severity']:<6} {state:<14} {name}{times}  [{status_of(row['kind']).replace('_', ' ')}]")
        typer.echo(f"       {_plain(row['evidence'])}; layer {row['layer']}, since {_date(row['first_seen_s'])}")
        if state != "cleared":
            typer.echo(f"       do: {_plain(row['action'])}")
        if row["acknowledged_by"]:
            typer.echo(f"       {_plain(row['acknowledged_by'])} knows: {_plain(row['acknowledged_note'] or '')}")
        if state == "shelved":
            who, why = _plain(row["shelved_by"]), _plain(row["shelved_note"] or "")
            typer.echo(f"       shelved by {who} until {_date(row['shelved_until_s'])}: {why}")
    typer.echo(f"{len(found):,} alerts")


def history(
    database: Database = None,
    machine: Annotated[str | None, typer.Option("--machine", help="of this machine only")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="the newest so many")] = 50,
) -> None:
    """Show what was done about alerts, by the twin and by people: when, who, what, why. Nothing of it is ever changed.

    Example: `./meltwin alerts history --machine ded-1`
    """

    def rows(store: "Store") -> "list[dict[Any, Any]]":
        first = max(store.last_act() - (MOST if machine else most), 0)
        return store.alert_acts(machine, after=first, limit=MOST).to_dict("records")[-most:]

    for row in _with(database, rows):
        name = f"{row['machine']}  {row['kind']} #{row['occurrence']}"
        until = f" until {_date(row['until_s'])}" if row["until_s"] == row["until_s"] else ""
        typer.echo(f"{_date(row['at_s'])}  {name}  {row['act']}{until} by {_plain(row['by'])}  {_plain(row['note'])}")


def acknowledge(
    machine: Machine,
    kind: Kind,
    by: By,
    note: Note,
    build: Build = None,
    occurrence: Annotated[
        int | None, typer.Option("--occurrence", min=1, help="the number behind #; left out: all that wait")
    ] = None,
    database: Database = None,
) -> None:
    """Say that you know of an alert, and what you do about it. The first acknowledgement of an alert stands.

    Example: `./meltwin alerts acknowledge ded-1 keyhole --by Ada --note "power lowered to 340 W"`
    """
    from twin.clock import SystemClock

    now_s = SystemClock().now_s()

    def does(store: "Store") -> int:
        named = _build(store, machine, kind, build)
        return store.acknowledge(machine, named, kind, by=by, note=note, now_s=now_s, occurrence=occurrence)

    changed = _with(database, does, writes=True)
    typer.echo(f"{changed} acknowledged by {by}" if changed else "somebody knows of it already; your note is kept")


def shelve(
    machine: Machine,
    kind: Kind,
    by: By,
    note: Note,
    minutes: Annotated[float, typer.Option("--for", help="so many minutes from now, 720 at most")] = 60.0,
    build: Build = None,
    database: Database = None,
) -> None:
    """Silence an alert for a while, also when it is raised anew in the meantime; then it speaks again by itself.

    Example: `./meltwin alerts shelve ded-1 gap --for 30 --by Ada --note "switch is being changed"`
    """
    from twin.clock import SystemClock

    now_s = SystemClock().now_s()
    until_s = now_s + 60.0 * minutes

    def does(store: "Store") -> int:
        named = _build(store, machine, kind, build)
        return store.shelve(machine, named, kind, by=by, note=note, now_s=now_s, until_s=until_s)

    _with(database, does, writes=True)
    typer.echo(f"{kind} of {machine} is shelved until {_date(until_s)}")


def unshelve(machine: Machine, kind: Kind, by: By, build: Build = None, database: Database = None) -> None:
    """Let an alert that was shelved speak again before its time.

    Example: `./meltwin alerts unshelve ded-1 gap --by Ada`
    """
    from twin.clock import SystemClock

    now_s = SystemClock().now_s()

    def does(store: "Store") -> int:
        return store.unshelve(machine, _build(store, machine, kind, build), kind, by=by, now_s=now_s)

    changed = _with(database, does, writes=True)
    typer.echo(f"{kind} of {machine} speaks again" if changed else f"{kind} of {machine} was not shelved")


def _with(database: str | None, asks: "Callable[[Store], Any]", *, writes: bool = False) -> Any:
    from contextlib import closing

    from deploy.settings import load
    from twin.alarms.acts import BadActError
    from twin.store.sql.store import SqlStore

    url = load(database=database).database_url
    with closing(SqlStore.open_desk(url) if writes else SqlStore.open_reader(url)) as store:
        try:
            return asks(store)
        except BadActError as error:
            raise MeltwinError(str(error)) from error


def _build(store: "Store", machine: str, kind: str, build: str | None) -> str:
    """The build that is meant: the named one, or that of the newest alert of this kind, one that stands if there is."""
    if build is not None:
        return build
    for standing in (True, False):
        rows = store.alerts(machine, standing_only=standing, limit=MOST)
        mine = rows[rows["kind"] == kind]
        if len(mine):
            return str(mine["build"].iloc[0])
    raise MeltwinError(f"there is no alert {kind} of {machine}; `meltwin alerts list` shows those that stand")


def _plain(text: str) -> str:
    """A sender wrote some of it: no control characters reach the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _date(moment_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


alerts.command("list")(told(list_))
alerts.command()(told(history))
alerts.command()(told(acknowledge))
alerts.command()(told(shelve))
alerts.command()(told(unshelve))
