"""`meltwin melt-pool`, `meltwin train` and `meltwin calibrate`: verbs that need no machine."""

import subprocess
import sys
from dataclasses import asdict
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any

import typer


class By(StrEnum):
    """Who answers."""

    reference = "reference"
    operator = "operator"
    eagar_tsai = "eagar-tsai"
    rosenthal = "rosenthal"


class Shape(StrEnum):
    """Beam shapes."""

    gaussian = "gaussian"
    top_hat = "top hat"
    ring = "ring"


def melt_pool(
    beam_power_w: Annotated[float, typer.Option("--power-w", min=0.0, help="beam power, W")],
    scan_speed_m_per_s: Annotated[float, typer.Option("--scan-speed-m-per-s", min=0.0, help="scan speed, m/s")],
    beam_diameter_m: Annotated[float, typer.Option("--beam-diameter-m", min=0.0, help="beam diameter, D4-sigma, m")],
    material: Annotated[str, typer.Option(help="alloy: IN625, IN718, SS316L, ...")] = "IN625",
    preheat_k: Annotated[
        float, typer.Option("--preheat-k", min=1.0, help="temperature of the part before, K")
    ] = 298.15,
    absorptivity: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="share of the power absorbed; left out: by the rule")
    ] = None,
    by: Annotated[
        By, typer.Option(help="reference: the solver; operator: the shipped weights; eagar-tsai, rosenthal: analytic")
    ] = By.operator,
    beam_shape: Annotated[Shape, typer.Option(help="how the beam's power is spread")] = Shape.gaussian,
    layer_thickness_m: Annotated[
        float, typer.Option("--layer-thickness-m", min=0.0, help="powder over the plate, m; 0: bare plate")
    ] = 0.0,
    hatch_spacing_m: Annotated[
        float | None, typer.Option("--hatch-spacing-m", min=0.0, help="with a layer thickness: lack of fusion, m")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Size of the steady melt pool for one set of laser parameters.

    Prints length, width and depth (m) of the connected region above the solidus, how long the middle of the track stays
    above it, the regime (conduction, transition or keyhole) with the boiling and keyhole numbers, the absorptivity and
    depth of the source, and the outcome: whether the numbers may be trusted. How fast it then cools is known --by
    reference alone: the operator's window has too few nodes behind the pool to tell it.

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
        beam_shape=beam_shape.value,
        layer_thickness_m=layer_thickness_m,
    )
    row: dict[str, Any] = {
        "length_m": answer.melt_pool.length_m,
        "width_m": answer.melt_pool.width_m,
        "depth_m": answer.melt_pool.depth_m,
        "regime": answer.regime,
        "keyhole_number": answer.keyhole_number,
        "outcome": asdict(answer.outcome),
        "operator": answer.operator,
        "boiling_number": answer.boiling_number,
        "absorptivity": answer.absorptivity,
        "source_depth_m": answer.source_depth_m,
        "remelted_m": answer.remelted_m,
        "above_melt_s": answer.above_melt_s,
        "cooling_k_per_s": answer.cooling_k_per_s if isfinite(answer.cooling_k_per_s) else None,
        "balling": answer.balling,
        "band": None if answer.band is None else asdict(answer.band),
        "credibility": answer.credibility,
        "evidence": answer.evidence,
    }
    if hatch_spacing_m is not None:
        row["lack_of_fusion"] = answer.lack_of_fusion(hatch_spacing_m, layer_thickness_m)
    if as_json:
        typer.echo(json.dumps(row))
        return
    for name in ("length_m", "width_m", "depth_m"):
        typer.echo(f"{name.removesuffix('_m'):>8}  {row[name] * 1e6:8.1f} um" + _between(answer.band, name))
    if layer_thickness_m:
        typer.echo(f"{'remelted':>8}  {answer.remelted_m * 1e6:8.1f} um of the plate under the powder")
    typer.echo(f"{'molten':>8}  {answer.above_melt_s * 1e3:8.3f} ms in the middle of the track")
    if isfinite(answer.cooling_k_per_s):
        typer.echo(f"{'cooling':>8}  {answer.cooling_k_per_s:8.3g} K/s over the 100 K below the solidus")
    elif answer.operator != "reference":
        typer.echo(f"{'cooling':>8}         – (it needs --by reference)")
    typer.echo(f"{'source':>8}  {answer.absorptivity:8.2f} absorbed, {answer.source_depth_m * 1e6:.0f} um deep")
    numbers = f"boiling number {answer.boiling_number:.2f}, keyhole number {answer.keyhole_number:.2f}"
    typer.echo(f"{'regime':>8}  {answer.regime} ({numbers})")
    typer.echo(f"{'balling':>8}  {answer.balling:8.2f} of its limit (an advisory)")
    if "lack_of_fusion" in row:
        typer.echo(f"{'fusion':>8}  {row['lack_of_fusion']:8.2f}: (h/W)^2 + (t/D)^2, lack of fusion above 1")
    why = "" if answer.evidence in ("", answer.outcome.which) else f": {answer.evidence}"
    typer.echo(f"{'outcome':>8}  {answer.outcome}{why}")
    typer.echo(f"{'by':>8}  {answer.operator}")


def _between(band: Any, name: str) -> str:
    """The band of a size; nothing where none is claimed."""
    if band is None:
        return ""
    low, high = (getattr(end, name) * 1e6 for end in (band.low, band.high))
    return f"  ({low:.1f} to {high:.1f} in {band.coverage:.0%} of such cases, against the reference)"


def train(context: typer.Context, name: Annotated[str, typer.Argument(help="melt-pool, or melt-pool-camera")]) -> None:
    """Make the weights of an operator again, from its committed recipe.

    Other options go to the recipe: `./meltwin train melt-pool --help` lists them. The same as
    `python3 -m operators.train NAME`, which needs torch and numpy alone and so runs on a bare GPU machine.
    """
    code = subprocess.run([sys.executable, "-P", "-m", "operators.train", name, *context.args], check=False).returncode
    raise typer.Exit(code)


def calibrate(context: typer.Context) -> None:
    """Make the calibration beside an operator's weights again: what its bands, scores and p-values go by.

    Draws 1,200 short tracks, asks the reference solver and the operator, and writes NAME-trust.json and
    NAME-trust.safetensors, tied to the weights by their checksum; after `train` they must be made anew. About an hour
    on one CPU core; killed and called again with the same --work folder it goes on where it was. Options are those of
    `python3 -m twin.trust.calibrate --help`.

    Example: `./meltwin calibrate --work fields --draws 1200`
    """
    code = subprocess.run([sys.executable, "-P", "-m", "twin.trust.calibrate", *context.args], check=False).returncode
    raise typer.Exit(code)
