"""Access: how a broker lets us in. It holds paths and a name, never a secret: a password goes from its file to the
client and nowhere else, so that no log, dump, error or environment of a child can show it."""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import Client

from ingest.errors import BrokerError

MAX_SECRET_BYTES = 4096
_ROUNDS = 200_000


@dataclass(frozen=True)
class Access:
    """The CA that vouches for the broker (None: no TLS), and who we are (empty: nobody)."""

    tls_ca: Path | None = None
    username: str = ""
    password_file: Path | None = None

    def session_name(self, name: str) -> str:
        """A client id that nobody can say who has not our password: whoever says a client id takes its session, and
        what waits in it, whatever their own name. The same as long as the password is; `name` where there is none."""
        if self.password_file is None:
            return name
        password = read_secret(self.password_file).encode()
        return f"{name}-{hashlib.pbkdf2_hmac('sha256', password, name.encode(), _ROUNDS)[:8].hex()}"

    def give_to(self, client: Client) -> None:
        """Before connecting. Raises BrokerError when a file is not there or is not what it should be."""
        if self.tls_ca is not None:
            client.tls_set_context(tls_context(self.tls_ca))
        if self.username:
            client.username_pw_set(self.username, read_secret(self.password_file) if self.password_file else None)


OPEN = Access()


def tls_context(ca: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer, to a server whose name stands in a certificate of this CA."""
    try:
        context = ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as wrong:
        raise BrokerError(f"cannot read the CA at {ca} ({wrong.strerror or wrong}); see mqtt_tls_ca") from wrong
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def read_secret(path: Path) -> str:
    """The first line of a file that holds one secret. The errors name the file and never what is in it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as wrong:
        raise BrokerError(f"cannot read the password file {path} ({wrong.strerror or wrong})") from wrong
    line = content.split(b"\n", 1)[0].rstrip(b"\r")
    if not line or len(content) > MAX_SECRET_BYTES:
        raise BrokerError(f"the password file {path} is {'too long' if line else 'empty'}")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise BrokerError(f"the password file {path} is not UTF-8") from None
