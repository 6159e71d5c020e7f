"""`meltwin doctor`: what is here, what is missing, and how to get it; one line each."""

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from deploy.settings import Settings

PACKAGES = ("torch", "numpy", "numba", "pydantic", "paho-mqtt", "iotcore", "sqlalchemy", "alembic", "dash", "pyvista")
PROGRAMS = {
    "chromium": "for the browser test: apt install chromium chromium-driver",
    "mosquitto": "for the broker test and for real use: apt install mosquitto",
}


class Finding(NamedTuple):
    """One line of the doctor's: `missing` things are needed, others are good to have."""

    what: str
    found: str | None
    remedy: str
    needed: bool = True


def doctor() -> None:
    """Look at this machine: Python, packages, device, ports, database, broker, weights, optional programs.

    One line each, with the remedy for what is missing. Exit code 1 if something needed is missing.

    Example: `./meltwin doctor`
    """
    missing = 0
    for finding in findings():
        if finding.found is not None:
            typer.echo(f"ok       {finding.what}: {finding.found}")
        elif finding.needed:
            missing += 1
            typer.echo(f"MISSING  {finding.what}: {finding.remedy}")
        else:
            typer.echo(f"absent   {finding.what} (optional): {finding.remedy}")
    raise typer.Exit(1 if missing else 0)


def findings() -> Iterator[Finding]:
    """Every check in the order in which a start would fail."""
    from deploy.ports import port_is_free
    from deploy.settings import load

    settings = load()
    yield Finding("python", sys.version.split()[0], "")
    for name in PACKAGES:
        yield Finding(name, _version(name), "remove .venv and run ./meltwin again")
    yield _device()
    for setting in ("mqtt_port", "ui_port"):
        port = getattr(settings, setting)
        yield Finding(
            f"port {port}", "free" if port_is_free(port) else None, f"taken: stop what uses it, or change {setting}"
        )
    yield _database(settings)
    yield _broker()
    yield _weights()
    for program, remedy in PROGRAMS.items():
        yield Finding(
            program, shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin"), remedy, needed=False
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _database(settings: "Settings") -> Finding:
    from deploy.errors import DatabaseError
    from deploy.wiring import open_store
    from twin.store.port import StoreError

    try:
        open_store(settings).close()
    except (DatabaseError, StoreError) as error:
        return Finding("database", None, str(error))
    return Finding("database", f"{settings.database_place}, writable", "")


def _broker() -> Finding:
    from deploy.ports import free_port
    from ingest.broker import EmbeddedBroker
    from ingest.errors import BrokerError

    try:
        with EmbeddedBroker(free_port()):
            return Finding("embedded broker", "starts and answers MQTT 5", "")
    except BrokerError as error:
        return Finding("embedded broker", None, str(error))


def _device() -> Finding:
    if _version("torch") is None:
        return Finding("device", None, "install torch first")
    import torch

    if torch.cuda.is_available():
        return Finding("device", f"cuda, {torch.cuda.get_device_name(0)}", "")
    return Finding("device", f"cpu, {torch.get_num_threads()} threads (no CUDA device)", "")


def _weights() -> Finding:
    from operators import card

    shipped = card.names()
    if not shipped:
        return Finding("weights", None, "make them: ./meltwin train melt-pool", needed=False)
    try:
        card.load(shipped[0])
    except card.CardError as error:
        return Finding("weights", None, f"{error}: fetch the file again")
    return Finding("weights", f"{shipped[0]}, checksum right", "")
