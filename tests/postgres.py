"""A PostgreSQL server of the tests' own: a temporary folder, a free port of 127.0.0.1, gone when they end.

It never runs as root: started by root it becomes `postgres` or `nobody`. Each store gets a database of its own, made
from a template. The collation is English, not C, so that nothing leans on how a server happens to sort.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, create_engine

from tests.conftest import need
from twin.store.sql.store import SqlStore
from twin.store.tables import Base

USER, PASSWORD = "meltwin", "s3cret/pass@word:%25"
START_S = 60.0


class Server:
    """One running server."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.settings = folder, settings
        self.port = _free_port()
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        _give(folder)
        self._run("initdb", "-D", f"{folder}/data", "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256", "-N",
                  "--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start, or start again after `stop`; returns when it answers."""
        told = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.folder),
                "fsync": "off", "max_connections": "40", "shared_buffers": "64MB", **self.settings}  # fmt: skip
        options = [part for name, value in told.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*_as_nobody(dies_with_us=True), need("postgres"), "-D", f"{self.folder}/data", *options],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        until_s = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.link(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise
                time.sleep(0.05)

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash: nobody is asked, and the next start recovers."""
        if self._process is not None and self._process.poll() is None:
            self._run("pg_ctl", "stop", "-D", f"{self.folder}/data", "-m", mode, "-t", "30")
            self._process.wait(30)

    def link(self, database: str = "postgres") -> str:
        """For the bare driver."""
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database
        )

    def url(self, database: str) -> str:
        """As a person sets it."""
        place = URL.create("postgresql", USER, PASSWORD, "127.0.0.1", self.port, database)
        return place.render_as_string(hide_password=False)

    def ask(self, statement: Any) -> None:
        """A statement outside any transaction, such as CREATE DATABASE."""
        with psycopg.connect(self.link(), autocommit=True) as connection:
            connection.execute(statement)

    def database(self, template: str = "template1") -> str:
        """A new database; its URL."""
        name = f"store_{next(self._numbers)}"
        self.ask(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def _run(self, name: str, *arguments: str) -> None:
        command = [*_as_nobody(), need(name), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name} failed: {done.stderr or done.stdout}")


class StoresInTurn:
    """A few empty stores, each emptied and lent again in its turn: the URL of the next."""

    def __init__(self, running: Server, how_many: int = 3) -> None:
        self._urls = [running.database() for _ in range(how_many)]
        for url in self._urls:
            SqlStore.create(url).close()
        self._turn = cycle(self._urls)

    def __call__(self) -> str:
        url = next(self._turn)
        engine = create_engine(url)
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
        engine.dispose()
        return url


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """A server for as long as the block lasts; `settings` are of postgresql.conf."""
    folder = Path(tempfile.mkdtemp(prefix="meltwin-postgres-", dir="/tmp"))
    running = None
    try:
        running = Server(folder, **settings)
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is neither a user postgres nor nobody to run the server as")


def _as_nobody(dies_with_us: bool = False) -> list[str]:
    """What stands before a command. A server must not outlive tests that are killed."""
    setpriv = shutil.which("setpriv")
    dying = ["--pdeathsig=QUIT"] if dies_with_us else []
    if os.geteuid() != 0:
        return [setpriv, *dying] if setpriv and dying else []
    user = _user()
    return ["setpriv", *dying, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _give(folder: Path) -> None:
    if os.geteuid() == 0:
        user = _user()
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])
