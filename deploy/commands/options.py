"""Options that several verbs share. None means: as the settings say."""

from pathlib import Path
from typing import Annotated

import typer

Database = Annotated[str | None, typer.Option(help="SQLAlchemy URL, such as sqlite:////data/meltwin.db")]
MqttPort = Annotated[int | None, typer.Option(help="port of the broker")]
UiPort = Annotated[int | None, typer.Option(help="port of the page, on 127.0.0.1")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda")]
Operator = Annotated[str | None, typer.Option(help="card of the operator that forecasts, `auto`, or `reference`")]
Seed = Annotated[int | None, typer.Option(help="seed of everything random")]
Seconds = Annotated[float | None, typer.Option("--for", min=0.1, help="wall seconds; left out: until Ctrl-C")]
Headless = Annotated[bool, typer.Option("--headless", help="without the page")]
Report = Annotated[Path | None, typer.Option(help="write the counts to this JSON file", dir_okay=False)]
Keep = Annotated[bool, typer.Option("--keep", help="write to the database of the settings, and keep it")]
