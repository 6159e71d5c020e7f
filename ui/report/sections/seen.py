"""What is to be seen: layers from above, the temperature field, the pool. Pure functions from rows to HTML."""

import numpy as np

from ui.report.drawing import fields
from ui.report.drawing import maps as drawn_maps
from ui.report.drawing.svg import data_url
from ui.report.rows import Rows
from ui.report.sections.html import code, figure, paragraph
from ui.report.sections.place import numbered, unit_of


def maps(rows: Rows) -> list[str]:
    """Layers from above, coloured by width and by depth."""
    if not rows.maps:
        return [paragraph("No layer of this stretch has a path with melt-pool sizes to draw.")]
    unit = unit_of(rows)
    limits = {size: drawn_maps.limits(rows.maps, size) for size in ("width", "depth")}
    places_of, beam_m = numbered(rows.alerts), float(rows.build["beam_diameter_m"])
    found = []
    known = int((rows.layers["pools"] > 0).sum())
    for layer, frames in rows.maps.items():
        frames.attrs["layer"] = layer
        places = [
            (str(n), a.x_m, a.y_m)
            for n, a in places_of
            if a.layer == layer and a.x_m is not None and np.isfinite([a.x_m, a.y_m]).all()
        ]
        pair = [
            drawn_maps.layer_map(frames, size, unit, limits[size], places, beam_m, f"map-{layer}-{size}")
            for size in ("width", "depth")
        ]
        found.append(f'<div class="pair">{pair[0]}{pair[1]}</div>')
    drawn = "" if known <= len(rows.maps) else (
        f" Of {known:,} layers: the first, the last, and those least in order or of a width least like the others'."
    )  # fmt: skip
    caption = (
        "Path of the beam with the laser on, seen from above, coloured by the estimated size; one scale for all. "
        f"Triangles: frames not in order. Numbers in circles: alerts of section 6.{drawn}"
    )
    return [f'<figure class="long">{"".join(found)}<figcaption>{caption}</figcaption></figure>']


def field(rows: Rows) -> list[str]:
    """One stored temperature field and the pool in it."""
    snapshot = rows.snapshot
    if snapshot is None:
        return [
            paragraph(
                "No temperature field of this stretch is stored: fields are kept at a cadence (",
                code("snapshot_frames"),
                ") and for a time (",
                code("keep_days"),
                ").",
            )
        ]
    unit, held = unit_of(rows), snapshot.field
    place = f"x {snapshot.x_m * 1e3:.3f}, y {snapshot.y_m * 1e3:.3f} mm"
    told = (
        f"The newest stored field of the stretch, laser on: layer {snapshot.layer:,}, frame {snapshot.frame:,}, "
        f"process time {held.time_s:.6g} s, beam at {place}; by {snapshot.operator}. A field is what the twin "
        "estimates: no machine measures it. Above the boiling point the model leaves out what limits the temperature, "
        "so those cells are grey."
    )
    found = [
        paragraph(told),
        figure(fields.field_sections(held, unit), "Temperature around the beam; the white line is the solidus."),
    ]
    if rows.pool_png:
        alt = (
            "The melt pool as a body, seen obliquely from above: coloured by temperature, "
            f"its skin the solidus of {held.solidus_k:.0f} K."
        )
        picture = f'<img src="{data_url(rows.pool_png)}" alt="{alt}">'
        found.append(figure(picture, "The melt pool as a body in the metal, the scan to the right; the same colours."))
    else:
        found.append(
            paragraph(
                f"There is no picture of the pool as a body: {rows.no_pool or 'it was not asked for'}.", kind="small"
            )
        )
    return found
