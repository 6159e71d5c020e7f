"""Page: the results as the tables of docs/reference.md, and as text. No number here is typed in."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.validation.reference import plots

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference.md"
IMAGES = ROOT / "docs" / "images"

Results = Mapping[str, Any]


def write(results: Results) -> list[Path]:
    """Rewrite the tables between the marks of the page, and its plots."""
    PAGE.write_text(filled(PAGE.read_text(), results))
    paths = [PAGE]
    for name, draw in plots.PLOTS.items():
        if (svg := draw(results)) is not None:
            paths.append(IMAGES / name)
            paths[-1].write_text(svg)
    return paths


def filled(text: str, results: Results) -> str:
    """The page with every block between `<!-- name -->` and `<!-- /name -->` from these results."""
    for name, block in BLOCKS.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if (body := _block(block, results)) is not None:
            text = mark.sub(lambda found, body=body: f"{found[1]}\n{body}\n\n{found[2]}", text)  # type: ignore[misc]
    return text


def printed(results: Results) -> str:
    """Everything as text, with what was skipped."""
    parts = [f"== {name}\n\n{body}" for name, block in BLOCKS.items() if (body := _block(block, results))]
    parts += [f"skipped {name}: {why}" for name, why in results["skipped"].items()]
    return "\n\n".join(parts)


def _block(block: Callable[[Results], str], results: Results) -> str | None:
    """None where its table was not made."""
    try:
        return block(results)
    except KeyError:
        return None


def cell(words: str) -> str:
    return words.replace("|", "\\|")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [[cell(words) for words in line] for line in (heads, ["---"] * len(heads), *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: float | None, sign: bool = False) -> str:
    if value is None:
        return ""
    rounded = round(100 * value)
    return f"{rounded:+d} %" if sign and rounded else f"{rounded} %"


def um(value: float) -> str:
    return f"{1e6 * value:.0f}"


def yes(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[met]


def made(results: Results) -> str:
    m = results["made"]
    return (
        f"Made on {m['date']} in {m['seconds'] / 60:.0f} minutes by {m['processes']} processes on {m['cpu_count']} CPU "
        f"cores ({m['machine']}; Python {m['python']}, numpy {m['numpy']}, numba {m['numba']}, torch {m['torch']})."
    )


ABOUT = {
    "floor": "depth of the source of a flat melt, beam diameters; fitted",
    "gain": "depth of a hole over the line source's; fitted",
    "trapping": "how fast a hole traps light as it deepens; fitted",
    "lift": "absorptivity of the melt over the flat solid's (Simonds over Ye)",
    "hole": "absorptivity of a deep hole (Simonds)",
    "calm": "boiling number below which no hole begins (Simonds)",
    "boiling": "boiling number from which the hole is full (Simonds)",
    "narrowing": "of the source towards its depth; chosen",
}


def rule(results: Results) -> str:
    return table(
        ("constant", "value", "what"),
        [(f"`{name}`", f"{value:.4g}", ABOUT.get(name, "")) for name, value in results["rule"].items()],
    )


def nist(results: Results) -> str:
    rows = results["tables"]["nist"]["rows"]
    fitted = set(results["fitted"]["nist"])

    def line(row: Mapping[str, Any]) -> tuple[str, ...]:
        cooling = row["quantity"] == "cooling rate"
        unit = (lambda v: f"{v:.2g}") if cooling else um
        low, high = row["interval"]
        return (
            row["name"], row["quantity"] + (", K/s" if cooling else ", um"), unit(row["measured"]),
            unit(row["predicted"]), percent(row["error"], sign=True), f"{unit(low)} to {unit(high)}",
            percent(row["finer_grid"], sign=True), percent(row["bar"]), "fitted" if row["fitted"] else yes(row["met"]),
        )  # fmt: skip

    heads = ("case", "quantity", "measured", "predicted", "error", "by property intervals", "14 cells", "bar", "met")
    apart = [[line(r) for r in rows if (r["name"] in fitted) is which] for which in (False, True)]
    return (
        f"{table(heads, apart[0])}\n\nThe two cases of which width and depth set the rule:\n\n{table(heads, apart[1])}"
    )


def nist_formulas(results: Results) -> str:
    t = results["tables"]["nist"]
    measured = {(r["name"], r["quantity"]): r["measured"] for r in t["rows"]}
    ours = {(r["name"], r["quantity"]): r["error"] for r in t["rows"]}
    names = list(dict.fromkeys(r["name"] for r in t["rows"]))

    def triple(errors: Sequence[float]) -> str:
        return " / ".join(percent(e, sign=True) for e in errors)

    rows = []
    for name in names:
        sizes = ("length", "width", "depth")
        by = [triple([t["formulas"][by][name][q] / measured[name, q] - 1 for q in sizes]) for by in t["formulas"]]
        rows.append((name, triple([ours[name, q] for q in sizes]), *by))
    return table(("length / width / depth", "reference", *t["formulas"]), rows)


def regimes(results: Results) -> str:
    return table(
        ("case", "boiling number", "keyhole number", "absorptivity", "regime", "margin", "right"),
        [
            (
                f["name"], f"{f['boiling_number']:.2f}", f"{f['keyhole_number']:.2f}", f"{f['absorptivity']:.2f}",
                f["regime"], f"{f['margin']:.2f}", yes(f["met"]),
            )
            for f in results["tables"]["nist"]["regimes"]
        ],
    )  # fmt: skip


def bars(name: str) -> Callable[[Results], str]:
    def told(results: Results) -> str:
        def figure(bar: Mapping[str, Any], which: str) -> str:
            return f"{bar[which]:.0f}" if bar["at_least"] else f"{bar[which]:.2f}"

        return table(
            ("figure", "value", "bar", "met"),
            [
                (b["name"], figure(b, "value"), f"{'>=' if b['at_least'] else '<='} {figure(b, 'bar')}", yes(b["met"]))
                for b in results["tables"][name]["bars"]
            ],
        )

    return told


def chen_slopes(results: Results) -> str:
    t = results["tables"]["chen"]
    pairs: dict[tuple[float, float], dict[str, Any]] = {}
    for p in t["slopes"]:
        pairs.setdefault((p["beam_power_w"], p["scan_speed_m_per_s"]), {})[p["quantity"]] = p
    rows = [
        (
            f"{power:.0f} W, {speed:g} m/s", "yes" if both["depth"]["fitted"] else "",
            *(f"{1e6 * both[q][which]:.1f}" for q in ("depth", "width") for which in ("measured", "predicted")),
        )
        for (power, speed), both in pairs.items()
    ]  # fmt: skip
    there, here = t["positive"]["measured"], t["positive"]["predicted"]
    return (
        table(("pair", "fitted", "depth measured", "depth predicted", "width measured", "width predicted"), rows)
        + f"\n\nSlopes in um per +100 K. Positive, measured and predicted: depth {there['depth']} and {here['depth']} "
        + f"of {len(pairs)}, width {there['width']} and {here['width']}."
    )


def simonds(results: Results) -> str:
    t = results["tables"]["simonds"]
    rows = [
        (
            f"{r['irradiance_mw_per_cm2']:.3f}", f"{r['absorptance']:.2f}", "yes" if r["keyhole"] else "no",
            f"{r['boiling_number']:.2f}", r["regime"],
        )
        for r in t["rows"]
    ]  # fmt: skip
    calm, boiling = t["limits"]["calm"], t["limits"]["boiling"]
    return (
        table(("MW/cm2", "absorptance", "keyhole seen", "boiling number", "regime by the rule"), rows)
        + f"\n\nThe rule's limits, {calm['boiling_number']:.2f} and {boiling['boiling_number']:.2f}, lie at "
        + f"{calm['irradiance_mw_per_cm2']:.3f} and {boiling['irradiance_mw_per_cm2']:.3f} MW/cm2; no keyhole was seen "
        + f"up to {t['no_keyhole_up_to_mw_per_cm2']:.3f}, one from {t['keyhole_from_mw_per_cm2']:.3f} on. Its plateaus "
        + f"are {t['flat']:.2f} and {t['hole']:.3f}; measured, {t['rows'][0]['absorptance']:.2f} below and "
        + f"{t['rows'][-2]['absorptance']:.2f} to {t['rows'][-1]['absorptance']:.2f} at the top."
    )


def left_out(results: Results) -> str:
    t = results["tables"]["literature"]
    c = t["counts"]
    rows = [(w["why"], f"{w['rows']:,}", _papers(w["papers"])) for w in t["left_out"]]
    asked = "".join(f" {d['rows']} rows: {d['why']}." for d in t["declined"])
    return (
        table(("left out because", "rows", "papers"), rows)
        + f"\n\nOf {c['all']:,} rows {c['usable']:,} stay ({c['usable_settings']:,} settings of alloy, power, speed "
        + f"and spot); at most {c['most_settings_a_paper']} settings of a paper and alloy are drawn, with a fixed "
        + f"seed: {c['drawn']:,} rows, {c['drawn_settings']:,} settings. Where the tool would not answer:{asked} "
        + f"Compared: {c['compared']:,} rows of {c['papers']} papers."
    )


def _papers(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 10 else f"{len(names)} papers"


def _spread(s: Mapping[str, Any], show: Callable[[float], str], interval: bool = False) -> str:
    if not s["n"]:
        return ""
    if not interval or s["n"] < 2:
        return show(s["median"])
    return f"{show(s['median'])} ({show(s['interval'][0])} to {show(s['interval'][1])})"


def over_papers(results: Results) -> str:
    rows = []
    for kind, sizes in results["tables"]["literature"]["over_papers"].items():
        for size in ("width", "depth"):
            for by, s in sizes[size].items():
                if s["mape"]["n"]:
                    low, high = s["mape"]["quartiles"]
                    rows.append(
                        (
                            f"{size}, {kind}", by, str(s["mape"]["n"]), _spread(s["mape"], percent, interval=True),
                            f"{percent(low)} to {percent(high)}", _spread(s["ratio"], "{:.2f}".format, interval=True),
                        )
                    )  # fmt: skip
    heads = ("size", "by", "papers", "MAPE: median (95 % interval)", "quartiles", "predicted/measured: median (95 %)")
    return table(heads, rows)


def disagreement(results: Results) -> str:
    t = results["tables"]["literature"]["papers_disagree"]
    told = [
        f"{size}: {t[size]['pairs']} pairs of rows of {t[size]['papers']['n']} pairs of papers, median "
        f"{percent(t[size]['papers']['median'])}"
        for size in ("width", "depth")
        if t[size]["papers"]["n"]
    ]
    near = ", ".join(f"{name.replace('_', ' ')} within {percent(value)}" for name, value in t["near"].items())
    return f"Larger over smaller, less 1, of two papers that ask nearly the same ({near}): {'; '.join(told)}."


def groups(which: str) -> Callable[[Results], str]:
    def told(results: Results) -> str:
        rows = []
        for g in results["tables"]["literature"][which]:
            for size in ("width", "depth"):
                ours, theirs = g[size]["reference"], g[size]["eagar-tsai"]
                if ours["mape"]["n"]:
                    rows.append(
                        (
                            g["group"], size, str(ours["mape"]["n"]), _spread(ours["mape"], percent, interval=True),
                            _spread(ours["ratio"], "{:.2f}".format), _spread(theirs["mape"], percent, interval=True),
                            _spread(theirs["ratio"], "{:.2f}".format),
                        )
                    )  # fmt: skip
        heads = ("rows", "size", "papers", "reference MAPE", "ratio", "Eagar-Tsai MAPE", "ratio")
        return table(heads, rows)

    return told


def remelted(results: Results) -> str:
    t = results["tables"]["literature"]["remelted"]
    rows = [
        (
            what,
            _spread(t[key]["mape"], percent, interval=True),
            _spread(t[key]["ratio"], "{:.2f}".format, interval=True),
        )
        for key, what in (("depth", "depth from the layer's top"), ("remelted", "depth remelted below the layer"))
    ]
    return table((f"{t['rows']} rows on powder of {t['papers']} papers", "MAPE", "predicted/measured"), rows)


def by_paper(results: Results) -> str:
    t = results["tables"]["literature"]
    sources = {(s["paper"], s["alloy"]): s for s in t["sources"]}
    rows = []
    for p in t["by_paper"]:
        s = sources[p["paper"], p["alloy"]]
        cells = []
        for size in ("width", "depth"):
            for by in ("reference", "eagar-tsai"):
                found = p[size].get(by)
                cells.append(f"{percent(found['mape'])}, {found['ratio']:.2f}" if found else "")
        rows.append((p["paper"], p["alloy"], f"{p['n']} of {s['rows']}", f"{s['boiling_number']:.1f}", *cells))
    heads = (
        "paper",
        "alloy",
        "rows",
        "boiling number",
        "width, reference",
        "width, E-T",
        "depth, reference",
        "depth, E-T",
    )
    return table(heads, rows) + "\n\nMAPE and median predicted/measured; boiling number: median of the rows drawn."


def modes(results: Results) -> str:
    t = results["tables"]["modes"]
    rows = []
    for key in ("keyhole", "balling", "lack_of_fusion"):
        for s in t[key]:
            there = s["all"]
            if there["auc"] is None:
                continue
            alloys = ", ".join(f"{a['alloy']} {a['auc']:.2f}" for a in s["by_alloy"] if a["auc"] is not None)
            rows.append(
                (
                    s["number"].replace("_", " "), s["label"], f"{there['of_it']} of {there['rows']}",
                    f"{there['auc']:.2f} ({there['interval'][0]:.2f} to {there['interval'][1]:.2f})", alloys,
                    _spread(s["over_papers"], "{:.2f}".format, interval=True)
                    + (f", {s['over_papers']['n']} papers" if s["over_papers"]["n"] else "none has both"),
                )
            )  # fmt: skip
    heads = ("number", "label", "rows", "all rows together", "by alloy", "within a paper: median (95 %)")
    kinds = [(c["label"], *(str(c[k]) for k in ("conduction", "transition", "keyhole"))) for c in t["regimes"]]
    left = "; ".join(f"{w['why']} {w['rows']}" for w in t["left_out"])
    return (
        f"{table(heads, rows)}\n\n{table(('label', 'conduction', 'transition', 'keyhole'), kinds)}\n\n"
        f"Rows of each label by the rule's regime. Left out: {left}."
    )


def falls_short(results: Results) -> str:
    def value(f: Mapping[str, Any]) -> str:
        return percent(f["value"], sign=True) if abs(f["bar"]) < 1 else f"{f['value']:.3g}"

    if not results["falls_short"]:
        return "Every bar of these tables holds."
    return table(
        ("table", "figure", "value", "bar", "what is known"),
        [
            (f["table"], f["name"], value(f), percent(f["bar"]) if abs(f["bar"]) < 1 else f"{f['bar']:g}", f["why"])
            for f in results["falls_short"]
        ],
    )


BLOCKS: dict[str, Callable[[Results], str]] = {
    "made": made,
    "rule": rule,
    "nist": nist,
    "nist-formulas": nist_formulas,
    "regimes": regimes,
    "chen": bars("chen"),
    "chen-slopes": chen_slopes,
    "simonds": simonds,
    "left-out": left_out,
    "over-papers": over_papers,
    "literature": bars("literature"),
    "disagreement": disagreement,
    "by-alloy": groups("by_alloy"),
    "by-regime": groups("by_regime"),
    "by-aspect": groups("by_aspect"),
    "by-powder": groups("by_powder"),
    "by-spot": groups("by_spot"),
    "remelted": remelted,
    "by-paper": by_paper,
    "modes": modes,
    "falls-short": falls_short,
}
