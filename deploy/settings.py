"""Settings: the one typed object that a person may change, by `MELTWIN_*` variables or a `meltwin.toml`.

What is not here is not a setting. An unknown name is an error, so that a misspelt one is never silently ignored.
docs/settings.md explains every field; a test holds it to that.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from deploy.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
FILE_NAME = "meltwin.toml"
PREFIX = "MELTWIN_"
NOT_SETTINGS = frozenset({"MELTWIN_PYTHON"})  # the launcher's

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Strongest first: arguments of the command line, `MELTWIN_*` variables, `meltwin.toml`, the defaults here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    site: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.\-]+$", description="name of the place, second part of every topic")
    ] = "local"
    data_dir: Annotated[Path, Field(description="folder of everything written: database, broker files")] = ROOT / "var"
    database: Annotated[str, Field(description="SQLAlchemy URL; empty: sqlite in data_dir")] = ""
    durability: Annotated[
        Literal["full", "normal"],
        Field(description="full: a commit survives a power cut; normal: a crash of the program"),
    ] = "normal"

    broker: Annotated[
        Literal["embedded", "external"],
        Field(description="embedded: `run` starts one on 127.0.0.1; external: connect to mqtt_host"),
    ] = "embedded"
    mqtt_host: Annotated[str, Field(description="address of an external broker")] = "127.0.0.1"
    mqtt_port: Annotated[Port, Field(description="port of the broker")] = 18830
    ui_port: Annotated[Port, Field(description="port of the page on 127.0.0.1")] = 8050

    queue_messages: Annotated[
        int, Field(ge=1, le=65_535, description="messages taken from the broker and not yet committed, at most")
    ] = 2000
    batch_messages: Annotated[int, Field(ge=1, le=10_000, description="messages in one transaction, at most")] = 500
    batch_wait_s: Annotated[float, Field(gt=0, le=5, description="wall seconds that a batch waits to fill")] = 0.05
    late_s: Annotated[
        float, Field(gt=0, le=3600, description="wall seconds to wait for a missing sequence before it is a gap")
    ] = 2.0
    stale_s: Annotated[
        float, Field(gt=0, description="wall seconds without a message after which a machine is stale")
    ] = 5.0

    operator: Annotated[
        str, Field(description="card of the operator that forecasts, or `auto` (shipped weights) or `reference`")
    ] = "auto"
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

    @property
    def database_url(self) -> str:
        """Where the rows go."""
        return self.database or f"sqlite:///{self.data_dir.absolute() / 'meltwin.db'}"

    @property
    def database_place(self) -> str:
        """The same for people to read: without the password."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.database_url)


def load(**given: Any) -> Settings:
    """The settings in force, what is `given` (and not None) before all; a mistake is a `SettingsError` of one line."""
    known = Settings.model_fields
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and name.removeprefix(PREFIX).lower() not in known:
            raise SettingsError(f"{name} is not a setting{_nearest(name.removeprefix(PREFIX).lower())}")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE_NAME} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise SettingsError(f"{FILE_NAME}: {name} is not a setting{_nearest(name)}") from error
        raise SettingsError(f"setting {name} = {first['input']!r}: {first['msg']}") from error


def as_environment(settings: Settings) -> dict[str, str]:
    """`MELTWIN_*` variables by which a child process gets the same settings."""
    return {PREFIX + name.upper(): str(value) for name, value in settings.model_dump().items()}


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {close[0]}? docs/settings.md lists them" if close else "; docs/settings.md lists them"
