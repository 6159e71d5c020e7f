"""First: the first account, `engineer`, with a password that is shown once and kept nowhere but as its hash.

On a terminal it is printed. What is printed elsewhere ends in a log, so there it goes to a file that only its owner may
read, and what is printed says which.
"""

import os
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from deploy import wiring
from deploy.settings import Settings
from twin.clock import Clock, SystemClock
from twin.people import People, PeopleError
from ui.access.passwords import generated, hashed

NAME = "engineer"
FILE = "first-password"


# of `demo` and `replay` into a database that is gone afterwards: there is nothing to guard (decision 0014)
NOBODY_SIGNS_IN: dict[str, Any] = {"ui_sign_in": "off", "ui_hosts": (), "ui_proxies": (), "ui_proxy_header": ""}


def show_first(settings: Settings) -> None:
    """For a program that starts the page out of sight: make and show the first account before."""
    if settings.ui_sign_in == "off":
        return
    wiring.open_store(settings).close()
    with closing(wiring.people(settings)) as people:
        if not people.accounts():
            first_account(settings)(people)


def first_account(settings: Settings, clock: Clock | None = None) -> Callable[[People], None]:
    """What makes it where there is no account, and shows the password."""
    return partial(make, folder=settings.data_dir, clock=clock or SystemClock())


def make(people: People, *, folder: Path, clock: Clock, terminal: bool | None = None) -> None:
    """Make the account if it is the first, and show its password on the terminal or put it into a file in `folder`."""
    password = generated()
    try:
        people.add_account(NAME, NAME, hashed(password), by="first start", now_s=clock.now_s(), first=True)
    except PeopleError:  # another program was first, and shows its own
        return
    if sys.stdout.isatty() if terminal is None else terminal:
        print(
            f"\n  The first account, shown this once:   name  {NAME}   password  {password}\n"
            f"  Another: ./meltwin account password {NAME}. More people: ./meltwin account add NAME --role operator\n",
            flush=True,
        )
        return
    place = folder / FILE
    place.unlink(missing_ok=True)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{password}\n")
    print(f"The first account is {NAME}; its password is in {place}: read it, change it, delete the file", flush=True)
