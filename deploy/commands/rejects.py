"""`meltwin rejects`: messages that could not be read: look at them, and take them in after a fix."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.commands.options import Database, MqttPort
from deploy.errors import MeltwinError, told

if TYPE_CHECKING:
    from ingest.source import Delivery

rejects = typer.Typer(
    help=(
        "Messages that could not be read: each is kept whole with its topic, time and reason. Look at them, and after "
        "a fix of this program take them in: on the path of every message, exactly once.\n\n"
        "Example: `./meltwin rejects list`, then `./meltwin rejects retry --all`"
    ),
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="beginning of the digest, as `list` shows it")]
MOST = 2000
WAIT_S = 20.0


def list_(
    database: Database = None,
    most: Annotated[int, typer.Option("--most", min=1, help="the newest so many")] = 50,
    waiting: Annotated[bool, typer.Option("--open", help="only those that are not taken in yet")] = False,
) -> None:
    """Show the newest rejects: digest, when, code, topic, reason, and when one was taken in after all.

    Example: `./meltwin rejects list --open`
    """
    found = _rows(database)
    shown = [row for row in found if not (waiting and row["reingested"])][:most]
    for row in shown:
        after = f"  taken in {_date(row['reingested_s'])}" if row["reingested"] else ""
        name = f"{row['digest'][:12]}  {_date(row['received_s'])}  {row['code']:<16}"
        typer.echo(f"{name} {ascii(row['topic'])[1:-1]}  {ascii(row['reason'])[1:-1]}{after}")
    still = sum(not row["reingested"] for row in found)
    typer.echo(f"{len(found):,} rejects, {still:,} of them open; {len(shown):,} shown")


def show(name: Name, database: Database = None) -> None:
    """Show one reject whole: topic, time, code, reason, and its bytes, as text where they are text.

    Example: `./meltwin rejects show 3f2a`
    """
    row = _one(_rows(database), name)
    for field in ("digest", "topic", "code", "reason"):
        typer.echo(f"{field:>12}  {ascii(row[field])[1:-1]}")
    typer.echo(f"{'received':>12}  {_date(row['received_s'])}")
    typer.echo(f"{'taken in':>12}  {_date(row['reingested_s']) if row['reingested'] else 'not yet'}")
    payload = row["payload"]
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = payload.hex(" ")
    typer.echo(f"{'bytes':>12}  {len(payload):,}\n{text if text.isprintable() else ascii(text)[1:-1]}")


def retry(
    names: Annotated[list[str] | None, typer.Argument(help="beginnings of digests")] = None,
    every: Annotated[bool, typer.Option("--all", help="all that are open")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="straight into the store, while no `run` is going on")
    ] = False,
    database: Database = None,
    mqtt_port: MqttPort = None,
) -> None:
    """Read rejects again, and take in those that can be read now, on the path of every message and exactly once.

    They are said again on their topics, and the `run` that is going on takes them in; `--direct` does without a
    broker. Their keys make a second retry harmless; the row of each says when it was taken in. What still cannot be
    read stays as it is.

    Example: `./meltwin rejects retry --all --direct`
    """
    from deploy.settings import load

    settings = load(database=database, mqtt_port=mqtt_port)
    rows = [row for row in _rows(database) if not row["reingested"]]
    if not every and not names:
        raise MeltwinError("name the rejects to retry by their digests, or say --all")
    chosen = rows if every else [_one(rows, name) for name in names or ()]
    ready = _readable(chosen)
    if ready:
        _straight(settings, ready) if direct else _said_again(settings, ready)
    still = {row["digest"] for row in _rows(database) if not row["reingested"]}
    taken = sum(row["digest"] not in still for row in chosen)
    typer.echo(
        f"{len(chosen):,} read again: {taken:,} taken in, {len(chosen) - len(ready):,} still not readable"
        + (f", {len(ready) - taken:,} on their way" if len(ready) > taken else "")
    )


def _readable(rows: list[dict[str, Any]]) -> "list[Delivery]":
    """Those that this program can read, as they were delivered."""
    from ingest.codecs import columns, text
    from ingest.decode import decode
    from ingest.source import Delivery
    from twin.observation import Rejected

    ready = []
    for number, row in enumerate(rows):
        item = decode(row["topic"], row["payload"])
        if isinstance(item, Rejected):
            typer.echo(f"{row['digest'][:12]}  still not readable: {ascii(item.reason)[1:-1]}")
            continue
        codec = columns if row["payload"].startswith(columns.MAGIC) else text
        ready.append(Delivery(row["topic"], row["payload"], (0, number), codec.CONTENT_TYPE))
    return ready


def _straight(settings: Any, ready: "list[Delivery]") -> None:
    from deploy.session import straight
    from ingest.replay import KeptSource

    straight(settings, KeptSource(ready), headless=True, each_turn=lambda loop, said: None, ends=False)


def _said_again(settings: Any, ready: "list[Delivery]") -> None:
    """Publish, and wait until the run has taken them in, at most `WAIT_S`."""
    from contextlib import closing

    from deploy import wiring
    from twin.clock import SystemClock
    from twin.store.sql.store import SqlStore

    with wiring.publisher(settings, "rejects") as publisher:
        for each in ready:
            publisher.publish(each.topic, each.payload, content_type=each.content_type)
        if not publisher.drain(WAIT_S):
            raise MeltwinError("the broker did not confirm; see mqtt_port, or use --direct while no run is going on")
    clock = SystemClock()
    until_s, waiting = clock.now_s() + WAIT_S, {(each.topic, each.payload) for each in ready}
    with closing(SqlStore.open_reader(settings.database_url)) as store:
        while clock.now_s() < until_s:
            rows = store.rejects(limit=MOST)
            still = rows[rows["reingested_s"].isna()]
            if not waiting & set(zip(still["topic"], still["payload"], strict=True)):
                return
            clock.sleep_s(0.25)


def _rows(database: str | None) -> list[dict[str, Any]]:
    from contextlib import closing

    from deploy.settings import load
    from twin.store.sql.store import SqlStore

    with closing(SqlStore.open_reader(load(database=database).database_url)) as store:
        found = store.rejects(limit=MOST)
    taken = found["reingested_s"].notna().tolist()
    return [row | {"reingested": done} for row, done in zip(found.to_dict("records"), taken, strict=True)]  # type: ignore[operator]


def _one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found = [row for row in rows if row["digest"].startswith(name)]
    if len(found) != 1:
        raise MeltwinError(f"{len(found) or 'no'} rejects begin with {name}; `meltwin rejects list` shows them")
    return found[0]


def _date(moment_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


rejects.command("list")(told(list_))
rejects.command()(told(show))
rejects.command()(told(retry))
