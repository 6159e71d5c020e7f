"""`meltwin melt-pool` and `meltwin train`: the two verbs that need no machine."""

import subprocess
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer


class By(StrEnum):
    """Who answers."""

    reference = "reference"
    operator = "operator"
    eagar_tsai = "eagar-tsai"


def melt_pool(
    beam_power_w: Annotated[float, typer.Option("--power-w", min=0.0, help="beam power, W")],
    scan_speed_m_per_s: Annotated[float, typer.Option("--scan-speed-m-per-s", min=0.0, help="scan speed, m/s")],
    beam_diameter_m: Annotated[float, typer.Option("--beam-diameter-m", min=0.0, help="beam diameter, D4-sigma, m")],
    material: Annotated[str, typer.Option(help="alloy: IN625, IN718, SS316L, ...")] = "IN625",
    preheat_k: Annotated[
        float, typer.Option("--preheat-k", min=1.0, help="temperature of the part before, K")
    ] = 298.15,
    absorptivity: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="share of the power absorbed; left out: the alloy's own rule")
    ] = None,
    by: Annotated[
        By, typer.Option(help="reference: the solver; operator: the shipped weights; eagar-tsai: analytic")
    ] = By.operator,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Size of the steady melt pool for one set of laser parameters.

    Prints length, width and depth (m) of the connected region above the solidus, the regime (conduction, transition or
    keyhole), the keyhole number, and the outcome: whether the numbers may be trusted.

    Example: `./meltwin melt-pool --material IN625 --power-w 195 --scan-speed-m-per-s 0.8 --beam-diameter-m 100e-6`
    """
    import json

    from deploy.wiring import melt_pool_query

    answer = melt_pool_query(
        material=material,
        beam_power_w=beam_power_w,
        scan_speed_m_per_s=scan_speed_m_per_s,
        beam_diameter_m=beam_diameter_m,
        preheat_k=preheat_k,
        absorptivity=absorptivity,
        by=by.value,
        device=device,
    )
    row = {
        "length_m": answer.melt_pool.length_m,
        "width_m": answer.melt_pool.width_m,
        "depth_m": answer.melt_pool.depth_m,
        "regime": answer.regime,
        "keyhole_number": answer.keyhole_number,
        "outcome": asdict(answer.outcome),
        "operator": answer.operator,
    }
    if as_json:
        typer.echo(json.dumps(row))
        return
    for name in ("length_m", "width_m", "depth_m"):
        typer.echo(f"{name.removesuffix('_m'):>8}  {row[name] * 1e6:8.1f} um")
    typer.echo(f"{'regime':>8}  {answer.regime} (keyhole number {answer.keyhole_number:.2f})")
    typer.echo(f"{'outcome':>8}  {answer.outcome}")
    typer.echo(f"{'by':>8}  {answer.operator}")


def train(context: typer.Context, name: Annotated[str, typer.Argument(help="what to train: melt-pool")]) -> None:
    """Make the weights of an operator again, from its committed recipe.

    Other options go to the recipe: `./meltwin train melt-pool --help` lists them. The same as
    `python3 -m operators.train NAME`, which needs torch and numpy alone and so runs on a bare GPU machine.
    """
    code = subprocess.run([sys.executable, "-P", "-m", "operators.train", name, *context.args], check=False).returncode
    raise typer.Exit(code)
