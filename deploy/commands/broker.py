"""`meltwin broker`: a Mosquitto that keeps what it has acknowledged and knows who speaks."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from deploy.errors import told

broker = typer.Typer(
    help=(
        "Set up Mosquitto for a shop floor: durable, TLS only, a password for each machine, an access list by which "
        "a machine speaks only for itself and nobody sends commands.\n\n"
        "Example: `./meltwin broker setup --machines m1,m2 --host broker.local`"
    ),
    no_args_is_help=True,
)


def setup(
    machines: Annotated[str, typer.Option(help="names of the machines, with commas; those known already stay")] = "",
    host: Annotated[
        str,
        typer.Option(help="names and addresses by which the broker is called, with commas; left out: this computer's"),
    ] = "",
    people: Annotated[
        str, typer.Option(help="names of people who may acknowledge alerts over MQTT, with commas; those known stay")
    ] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="TLS port of the broker")] = 8883,
    address: Annotated[str, typer.Option(help="address to listen on")] = "0.0.0.0",
    folder: Annotated[Path | None, typer.Option(help="left out: `broker` in the setting data_dir")] = None,
    sparkplug_group: Annotated[
        str, typer.Option(help="each machine may also be the edge node of its name in this group of Sparkplug B")
    ] = "",
    user: Annotated[str, typer.Option(help="system user of Mosquitto; left out: mosquitto for root, else you")] = "",
) -> None:
    """Write a folder from which Mosquitto runs: configuration, access list, certificates, passwords.

    Each password goes to a file that only its owner can read, and is never printed. Run again with more machines, it
    keeps what is there; then `systemctl reload` (SIGHUP) the broker.

    Example: `./meltwin broker setup --machines m1,m2 --host broker.local,192.168.7.2`
    """
    import getpass

    from deploy.mosquitto.files import TWIN
    from deploy.mosquitto.setup import Place, set_up
    from deploy.settings import load

    settings = load()
    folder = (folder or settings.data_dir / "broker").absolute()
    names = _list(host) or [socket.gethostname(), "localhost", "127.0.0.1"]
    system_user = user or ("mosquitto" if os.geteuid() == 0 else getpass.getuser())
    place = Place(settings.site, address, port, names, system_user, sparkplug_group)
    known = set_up(folder, place, _list(machines), _list(people))
    typer.echo(f"Set up in {folder} for site {settings.site}: {', '.join(known) or 'no machine yet'}")
    typer.echo(f"Start it:          mosquitto -c {folder / 'mosquitto.conf'}")
    typer.echo(f"For each machine:  {folder / 'ca.crt'}, its name, {folder / 'secrets'}/<name>.password")
    typer.echo(f"For each person:   the same from {folder / 'people'}")
    typer.echo("For the twin, in meltwin.toml:\n")
    rows = {"site": settings.site, "broker": "external", "mqtt_host": names[0], "mqtt_port": port}
    rows |= {"mqtt_tls_ca": folder / "ca.crt", "mqtt_username": TWIN}
    rows |= {"mqtt_password_file": folder / "secrets" / f"{TWIN}.password"}
    for name, value in rows.items():
        typer.echo(f"{name} = {value}" if isinstance(value, int) else f'{name} = "{value}"')


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


broker.command()(told(setup))
