"""What engineers do on the page People: add somebody, give a role or a new password (made here, shown once), shut out,
let in.

Nobody does it to their own account: who shuts themselves out, or takes their own role, could not undo it here, and with
a new password the page would be gone before it could be read. So there is always an engineer left: whoever acts."""

from twin.people import NO_PASSWORD
from ui.access.passwords import generated, hashed
from ui.access.who import who
from ui.desk import Desk
from ui.doing import Doing, RefusedError, Said, text

OFF = "Nobody signs in here: set ui_sign_in = required first, else accounts guard nothing."


def add(desk: Desk, by: str, said: Said) -> Said:
    """said: name, role, proxy (true: without a password). The answer has the password, which is kept nowhere."""
    _signed_in()
    name, role = text(said, "name", most=64).casefold(), text(said, "role", most=16)
    password = "" if said.get("proxy") is True else generated()
    kept = hashed(password) if password else NO_PASSWORD
    desk.people.add_account(name, role, kept, by=by, now_s=desk.now_s())
    return {"said": f"{name} may sign in as {role}.", "name": name, "password": password}


def new_password(desk: Desk, by: str, said: Said) -> Said:
    """said: name. Whoever is signed in by the old one is out."""
    name, password = _other(by, said), generated()
    desk.people.set_password(name, hashed(password), by=by, now_s=desk.now_s())
    return {"said": f"{name} has another password.", "name": name, "password": password}


def set_role(desk: Desk, by: str, said: Said) -> Said:
    """said: name, role."""
    name, role = _other(by, said), text(said, "role", most=16)
    desk.people.set_role(name, role, by=by, now_s=desk.now_s())
    return {"said": f"{name} is {role}, from the next click on."}


def disable(desk: Desk, by: str, said: Said) -> Said:
    """said: name."""
    name = _other(by, said)
    desk.people.set_disabled(name, True, by=by, now_s=desk.now_s())
    return {"said": f"{name} is shut out, everywhere, within two seconds."}


def enable(desk: Desk, by: str, said: Said) -> Said:
    """said: name."""
    name = _other(by, said)
    desk.people.set_disabled(name, False, by=by, now_s=desk.now_s())
    return {"said": f"{name} may sign in again."}


def _signed_in() -> None:
    person = who()
    if person is None or person.by == "nobody":
        raise RefusedError(OFF)


def _other(by: str, said: Said) -> str:
    _signed_in()
    name = text(said, "name", most=64)
    if name == by:
        raise RefusedError("Not your own account: ask another engineer, or use ./meltwin account on the server.")
    return name


DOINGS = (
    Doing("add_account", "manage accounts", add),
    Doing("new_password", "manage accounts", new_password),
    Doing("set_role", "manage accounts", set_role),
    Doing("disable_account", "manage accounts", disable),
    Doing("enable_account", "manage accounts", enable),
)
