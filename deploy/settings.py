"""Settings: the one typed object that a person may change, by `MELTWIN_*` variables or a `meltwin.toml`.

What is not here is not a setting. An unknown name is an error, so that a misspelt one is never silently ignored.
docs/settings.md explains every field; a test holds it to that.
"""

import json
import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from deploy.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
FILE_NAME = "meltwin.toml"
PREFIX = "MELTWIN_"
IN_FILE = "file:"  # before the path of a file whose first line is the value
NOT_SETTINGS = frozenset({"MELTWIN_PYTHON"})  # the launcher's

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Strongest first: arguments of the command line, `MELTWIN_*` variables, `meltwin.toml`, the defaults here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    site: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$", description="name of the place, second part of every topic")
    ] = "local"
    data_dir: Annotated[Path, Field(description="folder of everything written: database, broker files")] = ROOT / "var"
    database: Annotated[
        str, Field(repr=False, description="URL, or file:PATH of a file that holds it; empty: sqlite in data_dir")
    ] = ""
    durability: Annotated[
        Literal["full", "normal"],
        Field(description="full: a commit survives a power cut; normal: a crash of the program"),
    ] = "normal"
    keep_days: Annotated[
        dict[
            Literal["fields", "parameters", "signals", "observations", "frames", "requests"],
            Annotated[float, Field(ge=0)],
        ],
        Field(description="days after which `db prune` deletes rows of a kind; not named or 0: never"),
    ] = {"fields": 30.0, "frames": 30.0, "parameters": 365.0, "signals": 365.0, "observations": 365.0, "requests": 90.0}
    disk_spare_mib: Annotated[
        float, Field(ge=0, description="free MiB on the store's disk below which fields and pictures are not kept")
    ] = 2048.0
    disk_stop_mib: Annotated[
        float, Field(ge=0, description="free MiB below which nothing is taken from the broker, which holds it")
    ] = 512.0

    broker: Annotated[
        Literal["embedded", "external"],
        Field(description="embedded: `run` starts one on 127.0.0.1; external: connect to mqtt_host"),
    ] = "embedded"
    mqtt_host: Annotated[str, Field(description="address of an external broker")] = "127.0.0.1"
    mqtt_port: Annotated[Port, Field(description="port of the broker")] = 18830
    mqtt_tls_ca: Annotated[
        Path | None, Field(description="certificate of the CA that vouches for an external broker; empty: no TLS")
    ] = None
    mqtt_username: Annotated[str, Field(description="who we are to an external broker; empty: nobody")] = ""
    mqtt_password_file: Annotated[
        Path | None, Field(description="file whose first line is our password at the broker")
    ] = None
    ui_port: Annotated[Port, Field(description="port of the page on 127.0.0.1")] = 8050
    ui_sign_in: Annotated[
        Literal["required", "off"],
        Field(description="off: whoever reaches the page on this computer is an engineer; `demo`'s own database"),
    ] = "required"
    ui_proxy: Annotated[
        dict[Literal["host", "address", "header"], Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-:/, ]+$")]],
        Field(
            description="proxy before the page: the name browsers call, whence it comes, in which header it says who"
        ),
    ] = {}
    metrics_port: Annotated[
        int, Field(ge=0, le=65535, description="port of /metrics, /healthz, /readyz of `run` on 127.0.0.1; 0: none")
    ] = 9464
    log_format: Annotated[
        Literal["auto", "console", "json"], Field(description="auto: for people on a terminal, lines of JSON elsewhere")
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="the least important event that is logged")
    ] = "info"

    sparkplug_group: Annotated[
        str, Field(pattern=r"^[^/#]*$", description="Sparkplug B group that is read too; + is every group; empty: none")
    ] = ""
    sparkplug_rebirth: Annotated[
        bool, Field(description="ask Sparkplug edge nodes for a rebirth; false: only say that one is needed")
    ] = False

    publish: Annotated[
        tuple[Literal["alert", "forecast"], ...],
        Field(description="what the twin says over MQTT: what stands of alerts (retained), the newest forecasts"),
    ] = ("alert",)
    queue_messages: Annotated[
        int, Field(ge=1, le=65_535, description="messages taken from the broker and not yet committed, at most")
    ] = 2000
    backlog_frames: Annotated[
        int, Field(ge=1, le=4096, description="frames of one machine forecast in one step, the newest; not in a replay")
    ] = 128
    late_s: Annotated[
        float, Field(gt=0, le=3600, description="wall seconds to wait for a missing sequence before it is a gap")
    ] = 2.0
    stale_s: Annotated[
        float, Field(gt=0, description="wall seconds without a message after which a machine is stale")
    ] = 5.0

    operator: Annotated[
        str, Field(description="card that forecasts, or `auto` (shipped weights), `reference` or `conservative`")
    ] = "auto"
    operators: Annotated[
        dict[str, str], Field(description="machines that another operator forecasts, each with its card")
    ] = {}
    opinions: Annotated[
        tuple[str, ...],
        Field(description="cards asked for a second opinion on every frame: kept and shown beside, no alerts"),
    ] = ()
    follow_machines: Annotated[
        tuple[str, ...],
        Field(description="machines whose size sensors are calibrated: forecasts follow what they say is absorbed"),
    ] = ()
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="where operators run")] = "auto"
    horizon_frames: Annotated[int, Field(ge=1, le=64, description="how many frames ahead a forecast reaches")] = 8
    snapshot_frames: Annotated[int, Field(ge=1, description="a temperature field is kept every so many frames")] = 10
    seed: Annotated[int, Field(ge=0, description="seed of everything random: simulated machines, sampling")] = 0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=Path(FILE_NAME)))

    @field_validator("mqtt_tls_ca", "mqtt_password_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("ui_proxy")
    @classmethod
    def _a_proxy_has_an_address(cls, value: dict[str, str]) -> dict[str, str]:
        for address in listed(value.get("address", "")):
            ip_network(address)  # says what is wrong with it
        if "header" in value and "address" not in value:
            raise ValueError("a header is believed of nobody: name the proxy's address too")
        return value

    @model_validator(mode="after")
    def _credentials_are_whole_and_stay_private(self) -> "Settings":
        here = self.mqtt_host in ("127.0.0.1", "localhost", "::1")
        if self.broker == "embedded" and (self.mqtt_tls_ca or self.mqtt_username):
            raise ValueError("the embedded broker has no TLS and no users: mqtt_tls_ca, mqtt_username need an external")
        if bool(self.mqtt_username) != (self.mqtt_password_file is not None):
            raise ValueError("mqtt_username and mqtt_password_file go together")
        if self.mqtt_username and self.mqtt_tls_ca is None and not here:
            raise ValueError(f"without mqtt_tls_ca the password would go readable to {self.mqtt_host}")
        return self

    @property
    def ui_hosts(self) -> tuple[str, ...]:
        """Names besides those of this computer by which browsers may call the page: none where nobody signs in."""
        return () if self.ui_sign_in == "off" else listed(self.ui_proxy.get("host", ""))

    @property
    def database_url(self) -> str:
        """Where the rows go. It may hold a password: show `database_place` instead."""
        if self.database.startswith(IN_FILE):
            return _first_line(Path(self.database.removeprefix(IN_FILE)))
        return self.database or f"sqlite:///{self.data_dir.absolute() / 'meltwin.db'}"

    @property
    def database_place(self) -> str:
        """The same for people to read: without the password."""
        from twin.store.sql.engine import told

        return told(self.database_url)


def listed(text: str) -> tuple[str, ...]:
    """`a, b` as ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _first_line(path: Path) -> str:
    try:
        lines = path.expanduser().read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"setting database: cannot read {path}: {getattr(error, 'strerror', error)}") from error
    if not lines or not lines[0].strip():
        raise SettingsError(f"setting database: the first line of {path} is empty; it should be the database's URL")
    return lines[0].strip()


def load(**given: Any) -> Settings:
    """The settings in force, what is `given` (and not None) before all; a mistake is a `SettingsError` of one line."""
    known = Settings.model_fields
    if re.search(r"://[^/@]*:[^@]*@|[?&]\w*passw\w*=", given.get("database") or "", re.IGNORECASE):
        raise SettingsError(
            "a password among the options of a command is seen by whoever lists its processes: put the URL into "
            "MELTWIN_DATABASE, or into a file and say --database file:PATH"
        )
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and name.removeprefix(PREFIX).lower() not in known:
            raise SettingsError(f"{name} is not a setting{_nearest(name.removeprefix(PREFIX).lower())}")
    if Path(FILE_NAME).exists() and not Path(FILE_NAME).is_file():
        raise SettingsError(f"{FILE_NAME} is no file")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except SourceError as error:
        raise SettingsError(f'{error}: what has several values is JSON, such as {{"ded-1": "reference"}}') from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE_NAME} is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{FILE_NAME} is not text in UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise SettingsError(f"{FILE_NAME} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise SettingsError(f"settings: {first['msg'].removeprefix('Value error, ')}") from None
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise SettingsError(f"{FILE_NAME}: {name} is not a setting{_nearest(name)}") from error
        value = "***" if name == "database" else repr(first["input"])
        raise SettingsError(f"setting {name} = {value}: {first['msg']}") from None


def as_environment(settings: Settings) -> dict[str, str]:
    """`MELTWIN_*` variables by which a child process gets the same settings; of secrets the path of the file."""
    return {
        PREFIX + name.upper(): json.dumps(value)
        if isinstance(value, dict | tuple)
        else ""
        if value is None
        else str(value)
        for name, value in settings.model_dump().items()
    }


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {close[0]}? docs/settings.md lists them" if close else "; docs/settings.md lists them"
