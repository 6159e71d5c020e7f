"""Mistakes that a person can mend. Their text is the one line that the person reads; no traceback follows."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


class MeltwinError(Exception):
    """Root of the tree."""


class SettingsError(MeltwinError):
    """A setting that does not exist or cannot be."""


class PortTakenError(MeltwinError):
    """Something else listens where we want to."""

    def __init__(self, port: int, setting: str) -> None:
        option = setting.replace("_", "-")
        super().__init__(
            f"port {port} is taken by another program: choose another with {setting} "
            f"(--{option} {port + 1}, or MELTWIN_{setting.upper()}={port + 1}), or stop that program"
        )


class ChildFailedError(MeltwinError):
    """A program that we started ended before it should."""


class DatabaseError(MeltwinError):
    """The database cannot be written to."""


def told(verb: Callable[P, None]) -> Callable[P, None]:
    """A verb whose mistakes, and those of the packages below, end as one line and exit code 2."""

    @wraps(verb)
    def telling(*arguments: P.args, **options: P.kwargs) -> None:
        from ingest.errors import IngestError
        from twin.export.table import ExportError
        from twin.store.port import StoreError

        try:
            verb(*arguments, **options)
        except (MeltwinError, IngestError, StoreError, ExportError) as error:
            print(f"meltwin: {error}", file=sys.stderr)
            sys.exit(2)

    return telling
