"""The player: which build and moment, the timeline with its scrubber, what one may do. `assets/replay.js` moves it."""

from typing import Any

from dash import dcc, html

from ui.pages import machine
from ui.replay.again import again

SPEEDS = ("0.001", "0.01", "0.1", "0.5", "1", "2", "10", "100", "1000")
KEYS = (
    ("space", "play, pause"), ("← →", "a frame back, on"), ("[ ]", "layer before, next"), ("p n", "alert before, next"),
    ("- +", "slower, faster"), ("Home End", "begin, end"), ("z", "whole build or one layer"),
)  # fmt: skip


def player() -> Any:
    """Before any moment."""
    return html.Section(
        [
            html.Header(
                [
                    html.Span("REPLAY", className="badge", title="Stored rows: no machine is doing this now"),
                    html.H2(id="replay-title"),
                    html.Span(["forecast at ", html.B("–", id="moment-wall", className="number")], className="count"),
                    html.Span(["by ", html.B("–", id="moment-by")], className="count by"),
                    html.A("All stored builds", href="/replay", className="back"),
                ]
            ),
            html.Div(
                [
                    dcc.Graph(
                        id="course", config=machine.GRAPH, responsive=True, className="course",
                        style={"height": "168px"}, figure={"data": [], "layout": {}},
                    ),
                    html.Div(id="course-cursor", className="course-cursor", **{"aria-hidden": "true"}),
                    html.Div(id="scrub-box", className="scrub-box"),
                ],
                className="course-box",
            ),
            html.Div(_controls(), className="controls", role="group", **{"aria-label": "Player"}),
            again(),
            html.P(id="replay-trouble", className="trouble", role="alert"),
            html.P(id="moment-where", className="where", role="status"),
            html.P(id="moment-note", className="layer-note"),
            html.P(
                [html.Span([html.Kbd(key), f" {does}"]) for key, does in KEYS], id="keys", className="keys",
            ),
        ],
        className="card player",
        **{"aria-label": "Replay"},
    )  # fmt: skip


def _controls() -> list[Any]:
    return [
        _button("alert-before", "|◂!", "Alert before (p)"),
        _button("layer-before", "|◂", "Layer before ([)"),
        _button("frame-before", "◂", "A frame back (left arrow)"),
        _button("play", "Play", "Play or pause (space)"),
        _button("frame-after", "▸", "A frame on (right arrow)"),
        _button("layer-after", "▸|", "Next layer (])"),
        _button("alert-after", "!▸|", "Next alert (n)"),
        html.Label(
            [
                "Speed ",
                html.Select(
                    [html.Option(f"{speed}×", value=speed) for speed in SPEEDS],
                    id="speed",
                    title="process seconds in a second (- and +)",
                ),
            ]
        ),
        html.Label([html.Span(id="pauses-box"), "leave pauses out"]),
        html.Label(
            [
                "Show ",
                html.Select(
                    [html.Option("whole build", value="build"), html.Option("this layer", value="layer")], id="zoom"
                ),
            ]
        ),
        html.Label(["Beside ", html.Select([html.Option("nothing", value="")], id="beside")]),
        html.Output(id="moment-at", className="number"),
        html.Span(id="play-note", className="count", role="status"),
    ]


def _button(name: str, sign: str, says: str) -> Any:
    return html.Button(sign, id=name, type="button", title=says, **{"aria-label": says})
