"""`meltwin attribute`: why a stored forecast says what it says."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from deploy.commands.options import Database, Device, Operator


class What(StrEnum):
    """Numbers of a forecast."""

    depth = "depth"
    width = "width"
    length = "length"
    temperature = "temperature"


def attribute(
    machine: Annotated[str, typer.Argument(help="as the messages name it")],
    build: Annotated[str, typer.Argument(help="of that machine")],
    frame: Annotated[int | None, typer.Argument(min=0, help="of its layer; left out: the newest forecast")] = None,
    layer: Annotated[int | None, typer.Option(help="left out: the newest that has such a frame")] = None,
    of: Annotated[What, typer.Option(help="the number to explain; a temperature .8 d behind the beam")] = What.depth,
    lead_s: Annotated[float, typer.Option("--lead-s", min=0.0, help="how far ahead, s; the nearest lead")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
    database: Database = None,
    device: Device = None,
    operator: Operator = None,
) -> None:
    """Tell why a stored frame's forecast says what it says: a sentence, and a table by moment and parameter.

    What the beam did until then is rebuilt from what is stored, also where the build was only imported. Each moment's
    power, scan speed and direction is given its share of the difference from a straight track at nominal parameters. A
    number whose map fails its own test (docs/attribution.md) is not explained, and the answer says so.

    A demo's builds are gone with it, but with `./meltwin demo --keep`: then they are `hatch-…` of lpbf-1 and `wall-…`
    of ded-1, named in full on the page Builds.

    Example: `./meltwin attribute lpbf-1 hatch-1793492000 120 --of depth --lead-s 0.0005`
    """
    from deploy.errors import MeltwinError
    from deploy.settings import load
    from deploy.wiring import attribution, stored

    settings = load(database=database, device=device, operator=operator)
    if frame is None or layer is None:
        with stored(settings) as store:
            rows = store.melt_pool(machine, build=build, limit=100_000)
        if layer is not None:
            rows = rows[rows["layer"] == layer]
        if frame is not None:
            rows = rows[rows["frame"] == frame]
        if rows.empty:
            raise MeltwinError(f"no forecast of {machine}/{build} is of such a frame; name its --layer and frame")
        layer, frame = int(rows["layer"].iloc[-1]), int(rows["frame"].iloc[-1])
    answer = attribution(
        settings, machine=machine, build=build, layer=layer, frame=frame, of=of.value, lead_s=lead_s
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(answer))
        return
    typer.echo(f"{machine}/{build}, layer {layer}, frame {frame}, by {answer['operator']}")
    typer.echo(answer["sentence"])
    if answer["shown"]:
        typer.echo("\n" + printed(answer["table"], "K" if of == What.temperature else "um"))
        told = answer["attribution"]
        scale, unit = (1.0, "K") if of == What.temperature else (1e6, "um")
        typer.echo(f"A beam 1 % wider: {scale * told['by_spot']:+.2g} {unit}. ", nl=False)
        typer.echo(f"A plate 10 K warmer: {scale * told['by_preheat']:+.2g} {unit}.")
        faithful = answer["faithfulness"]
        typer.echo(
            f"Rank correlation of such maps with the reference's adjoint: {faithful['median']:.2f} in the median of "
            f"{faithful['cases']} cases. Left out of the parts: {told['defect']:.1%} of the difference."
        )


def printed(rows: list[dict[str, Any]], unit: str) -> str:
    """The table by lag, the newest first."""
    head = ["from", "to", *(f"{name}, {unit}" for name in list(rows[0])[2:])]
    lines = [head] + [[row["from"], row["to"], *(f"{value:+.3f}" for value in list(row.values())[2:])] for row in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
