"""HTML by small functions: everything that goes in is escaped; tables have captions and header cells."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, NamedTuple


class Raw(NamedTuple):
    """HTML that is already HTML."""

    text: str


def text(said: Any) -> str:
    return said.text if isinstance(said, Raw) else escape(str(said))


def paragraph(*parts: Any, kind: str = "") -> str:
    return f"<p{_class(kind)}>{''.join(text(part) for part in parts)}</p>"


def bold(said: Any) -> Raw:
    return Raw(f"<strong>{text(said)}</strong>")


def code(said: Any) -> Raw:
    return Raw(f"<code>{text(said)}</code>")


def badge(said: str, tone: str) -> Raw:
    """A word in a box; the word says all, the colour repeats it."""
    return Raw(f'<span class="badge {tone}">{escape(said)}</span>')


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "", numbers: int = 99) -> str:
    """The first cell of a row is its header. Columns from `numbers` on are right-aligned."""
    lines = [f"<table{_class(kind)}><caption>{escape(caption)}</caption><thead><tr>"]
    lines += [f'<th scope="col"{_right(column, numbers)}>{escape(name)}</th>' for column, name in enumerate(head)]
    lines.append("</tr></thead><tbody>")
    for first, *rest in rows:
        cells = [f'<th scope="row">{text(first)}</th>']
        cells += [f"<td{_right(column, numbers)}>{text(cell)}</td>" for column, cell in enumerate(rest, start=1)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines.append("</tbody></table>")
    return "\n".join(lines)


def facts(caption: str, rows: Iterable[tuple[Any, Any]]) -> str:
    """Names and values, two columns."""
    lines = [f'<table class="facts"><caption>{escape(caption)}</caption><tbody>']
    lines += [f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in rows]
    return "\n".join([*lines, "</tbody></table>"])


def figure(picture: str, caption: Any) -> str:
    return f"<figure>{picture}<figcaption>{text(caption)}</figcaption></figure>"


def section(number: int, title: str, parts: Iterable[str], name: str) -> str:
    inner = "\n".join(part for part in parts if part)
    head = f'<h2 id="h-{name}">{number}. {escape(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="h-{name}">{head}\n{inner}\n</section>'


def more(summary: str, inner: str) -> str:
    """What is folded on a screen and not printed."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def utc(moment_s: Any) -> str:
    """A wall clock as `2026-11-22 06:02:31 UTC`; a process time (small) as `0.125 s`; a dash for none."""
    if moment_s is None or not math.isfinite(float(moment_s)):
        return "–"
    if float(moment_s) < 1e8:
        return f"{float(moment_s):.3f} s"
    return f"{datetime.fromtimestamp(float(moment_s), UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: Any, digits: int = 3) -> str:
    """A number to so many digits that count; a dash for none."""
    if value is None or not math.isfinite(float(value)):
        return "–"
    return f"{float(value):,.{digits}g}" if abs(float(value)) < 1e5 else f"{float(value):,.0f}"


def share(part: float, whole: float) -> str:
    """Per cent that never rounds to none or all: 99.9 % is not 100 %."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if part == whole or part == 0:
        return f"{percent:.0f}\u00a0%"
    if percent < 0.1:
        return "<\u00a00.1\u00a0%"
    return ">\u00a099.9\u00a0%" if percent > 99.9 else f"{percent:.1f}\u00a0%"


def count(amount: float, one: str, many: str = "") -> str:
    """`1 layer`, `1,800 layers`."""
    return f"{int(amount):,} {one if amount == 1 else many or one + 's'}"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _right(column: int, numbers: int) -> str:
    return ' class="n"' if column >= numbers else ""
