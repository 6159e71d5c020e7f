"""`meltwin account`: who may sign in to the page, and as what."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.commands.options import Database
from deploy.errors import MeltwinError, told

if TYPE_CHECKING:
    from twin.people import People

account = typer.Typer(
    help=(
        "People who may sign in to the page: a viewer reads, an operator also acknowledges, shelves and notes, an "
        "engineer also approves, promotes and manages accounts. Who did what to whom is kept (docs/accounts.md).\n\n"
        "Example: `./meltwin account add ada --role operator`, then `./meltwin account list`"
    ),
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="as the person types it: small letters, digits and . _ @ + -")]
Role = Annotated[str, typer.Option(help="viewer, operator or engineer")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="file whose first line is the password; left out: it is asked for, unseen")
]


def add(
    name: Name,
    role: Role = "viewer",
    password_file: PasswordFile = None,
    without: Annotated[
        bool,
        typer.Option("--without-password", help="only the proxy of the setting ui_proxy (its header) vouches for them"),
    ] = False,
    database: Database = None,
) -> None:
    """Let a person in. The password is asked for twice, or read from a file; it is never an option.

    Example: `./meltwin account add ada --role operator`
    """
    from twin.people import NO_PASSWORD, check_name, check_role

    check_name(name)
    check_role(role)
    if without and password_file:
        raise MeltwinError("--without-password and --password-file: choose one")
    with _people(database) as people:
        if name in {each.name for each in people.accounts()}:  # said before a password is asked for
            raise MeltwinError(f"there is an account {name} already: meltwin account password {name}")
        kept = NO_PASSWORD if without else _asked(name, password_file)
        people.add_account(name, role, kept, by=_me(), now_s=_now_s())
    typer.echo(f"{name} may sign in as {role}")


def list_(
    acts: Annotated[int, typer.Option("--acts", min=0, help="also the newest so many acts: who did what to whom")] = 0,
    database: Database = None,
) -> None:
    """Show all accounts: name, role, whether shut out, who changed it last and when; `--acts 20` also what was done.

    Example: `./meltwin account list --acts 20`
    """
    with _people(database, writes=False) as people:
        found, done = people.accounts(), people.account_acts(limit=acts)
    wide = max((len(each.name) for each in found), default=0)
    for each in found:
        state = "shut out" if each.disabled else "" if each.password_hash else "no password"
        last = f"changed {_date(each.changed_s)} by {each.changed_by}"
        typer.echo(f"{each.name:<{wide}}  {each.role:<8}  {state:<11}  {last}")
    typer.echo(f"{len(found):,} accounts")
    for at_s, by, act, name, detail in done.itertuples(index=False):
        typer.echo(
            f"{_date(at_s)}  {by}: {act} {name if name != by else ''}{f' ({detail})' if detail else ''}".rstrip()
        )


def password(name: Name, password_file: PasswordFile = None, database: Database = None) -> None:
    """Give a person another password, asked for twice or read from a file; whoever is signed in by the old one is out.

    Example: `./meltwin account password engineer`
    """
    from deploy.first import FILE, NAME
    from deploy.settings import load

    with _people(database) as people:
        if name not in {each.name for each in people.accounts()}:
            raise MeltwinError(f"there is no account {name}")
        people.set_password(name, _asked(name, password_file), by=_me(), now_s=_now_s())
    if name == NAME:
        (load(database=database).data_dir / FILE).unlink(missing_ok=True)
    typer.echo(f"{name} has another password; whoever was signed in by the old one is out")


def role(name: Name, to: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, operator or engineer")],
         database: Database = None) -> None:  # fmt: skip
    """Give a person another role; it holds from their next click on, without signing in again.

    Example: `./meltwin account role ada engineer`
    """
    with _people(database) as people:
        people.set_role(name, to, by=_me(), now_s=_now_s())
    typer.echo(f"{name} is {to}")


def disable(
    name: Name,
    again: Annotated[bool, typer.Option("--undo", help="let them in again")] = False,
    database: Database = None,
) -> None:
    """Shut a person out, at once and wherever they are signed in; what they did stays on record. `--undo` lets them in.

    Example: `./meltwin account disable ada`
    """
    with _people(database) as people:
        people.set_disabled(name, not again, by=_me(), now_s=_now_s())
    typer.echo(f"{name} may sign in again" if again else f"{name} is shut out")


@contextmanager
def _people(database: str | None, *, writes: bool = True) -> "Iterator[People]":
    from contextlib import closing

    from deploy import wiring
    from deploy.settings import load
    from twin.store.sql.people import SqlPeople

    settings = load(database=database)
    opened = wiring.people(settings) if writes else SqlPeople.open(settings.database_url)
    with closing(opened) as people:
        yield people


def _asked(name: str, file: Path | None) -> str:
    """What is kept of the password that a person types twice, or of a file's first line."""
    from ui.access.passwords import PasswordError, hashed

    try:
        return hashed(_from_file(file) if file is not None else _typed(name))
    except PasswordError as error:
        raise MeltwinError(str(error)) from error


def _typed(name: str) -> str:
    if not _at_a_terminal():
        raise MeltwinError("nobody can type a password here: put it into a file, and say --password-file FILE")
    return str(typer.prompt(f"Password of {name}, unseen", hide_input=True, confirmation_prompt="Once more"))


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _from_file(file: Path) -> str:
    try:
        lines = file.expanduser().read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MeltwinError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    return lines[0] if lines else ""


def _me() -> str:
    """Whoever is at the terminal, as the computer knows them: no account's name has a colon."""
    import getpass

    return f"terminal:{getpass.getuser()}"


def _now_s() -> float:
    from twin.clock import SystemClock

    return SystemClock().now_s()


def _date(moment_s: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


account.command()(told(add))
account.command("list")(told(list_))
for verb in (password, role, disable):
    account.command()(told(verb))
