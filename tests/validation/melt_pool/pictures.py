"""Pictures: the sizes of one pool of the test set along its free run, as SVG written by hand."""

from typing import Any

from tests.validation.harness.plots import COLOURS, GREY, text
from tests.validation.harness.rows import Results
from tests.validation.melt_pool.measure import SIZE_NAMES

WIDE, HIGH, GAP, LEFT, TOP = 640, 110, 16, 62, 34  # px
DRAWN = ("asno-melt-pool", "linear response")
TRUTH = f'stroke="{GREY}" stroke-width="5" stroke-opacity=".5"'


def sizes(results: Results, budget: str) -> str | None:
    """A panel a size, in beam diameters against frames: the truth, and rows of DRAWN; a tick where something changes, a
    grey stretch where the laser is off. None where nothing was kept to show."""
    shown: dict[str, Any] | None = results.about.get(budget, {}).get("shown")
    rows = {row.operator: row for row in results.rows.values() if row.budget == budget and row.profile}
    rows = {name: rows[name] for name in DRAWN if name in rows}
    if shown is None or not rows:
        return None
    frames = len(shown["length"])
    body = [text(0, -12, f"free run from a cold plate: {shown['named']}", "start")]
    for n, name in enumerate(SIZE_NAMES):
        lines = {"truth": shown[name]} | {who: row.profile[name] for who, row in rows.items()}
        top, high = n * (HIGH + GAP), 1.05 * max(max(values) for values in lines.values())
        off = f'width="{WIDE / frames:.1f}" height="{HIGH}" fill="{GREY}" fill-opacity=".25"/>'
        body += [f'<rect x="{WIDE * frame / frames:.1f}" y="{top}" {off}' for frame in shown["off"]]
        body.append(f'<rect y="{top}" width="{WIDE}" height="{HIGH}" fill="none" stroke="{GREY}"/>')
        body += [
            f'<path d="M{WIDE * (frame + 0.5) / frames:.1f} {top + HIGH}v-6" stroke="{GREY}"/>'
            for frame in shown["events"]
        ]
        for who, values in lines.items():
            at = (
                f"{WIDE * (frame + 0.5) / frames:.1f} {top + HIGH * (1 - value / high):.1f}"
                for frame, value in enumerate(values)
            )
            body.append(f'<path d="M{"L".join(at)}" fill="none" {_stroke(who)}/>')
        body += [text(-6, top + HIGH, "0", "end"), text(-6, top + 12, f"{high:.2g} d", "end"),
                 text(-6, top + HIGH / 2 + 4, name, "end")]  # fmt: skip
    down = 3 * (HIGH + GAP)
    body += [
        text(0, down, "0", "middle"),
        text(WIDE, down, str(frames), "middle"),
        text(WIDE / 2, down, "frame", "middle"),
    ]
    for n, who in enumerate(["truth", *rows]):
        x = 200 * n
        body.append(f'<path d="M{x} {down + 22}h22" {_stroke(who)}/>{text(x + 28, down + 26, who, "start")}')
    whole = f"0 0 {LEFT + WIDE + 20} {TOP + down + 40}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{whole}" font-family="sans-serif" font-size="12">\n'
        f'<g transform="translate({LEFT} {TOP})">' + "\n".join(body) + "</g>\n</svg>\n"
    )


def _stroke(who: str) -> str:
    return TRUTH if who == "truth" else f'stroke="{COLOURS[DRAWN.index(who)]}" stroke-width="1.6"'
