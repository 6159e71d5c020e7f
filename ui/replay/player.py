"""The player: which build and moment, the timeline with its scrubber, what one may do. `assets/replay.js` moves it."""

from typing import Any

from dash import dcc, html

from ui import ids
from ui.figures import blank
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
                    html.H2(id=ids.REPLAY_TITLE),
                    html.Span(["forecast at ", html.B("–", id=ids.MOMENT_WALL, className="number")], className="count"),
                    html.Span(["by ", html.B("–", id=ids.MOMENT_BY)], className="count by"),
                    html.A("All stored builds", href="/replay", className="back"),
                ]
            ),
            html.Div(
                [
                    dcc.Graph(
                        id=ids.COURSE, config=machine.GRAPH, responsive=True, className="course",
                        style={"height": "168px"}, figure=blank(),
                    ),
                    html.Div(id=ids.COURSE_CURSOR, className="course-cursor", **{"aria-hidden": "true"}),
                    html.Div(id=ids.SCRUB_BOX, className="scrub-box"),
                ],
                className="course-box",
            ),
            html.Div(_controls(), className="controls", role="group", **{"aria-label": "Player"}),
            again(),
            html.P(id=ids.REPLAY_TROUBLE, className="trouble", role="alert"),
            html.P(id=ids.MOMENT_WHERE, className="where", role="status"),
            html.P(id=ids.MOMENT_NOTE, className="layer-note"),
            html.P(
                [html.Span([html.Kbd(key), f" {does}"]) for key, does in KEYS], id=ids.KEYS, className="keys",
            ),
        ],
        className="card player",
        **{"aria-label": "Replay"},
    )  # fmt: skip


def _controls() -> list[Any]:
    return [
        _button(ids.ALERT_BEFORE, "|◂!", "Alert before (p)"),
        _button(ids.LAYER_BEFORE, "|◂", "Layer before ([)"),
        _button(ids.FRAME_BEFORE, "◂", "A frame back (left arrow)"),
        _button(ids.PLAY, "Play", "Play or pause (space)"),
        _button(ids.FRAME_AFTER, "▸", "A frame on (right arrow)"),
        _button(ids.LAYER_AFTER, "▸|", "Next layer (])"),
        _button(ids.ALERT_AFTER, "!▸|", "Next alert (n)"),
        html.Label(
            [
                "Speed ",
                html.Select(
                    [html.Option(f"{speed}×", value=speed) for speed in SPEEDS],
                    id=ids.SPEED,
                    title="process seconds in a second (- and +)",
                ),
            ]
        ),
        html.Label([html.Span(id=ids.PAUSES_BOX), "leave pauses out"]),
        html.Label(
            [
                "Show ",
                html.Select(
                    [html.Option("whole build", value="build"), html.Option("this layer", value="layer")], id=ids.ZOOM
                ),
            ]
        ),
        html.Label(["Beside ", html.Select([html.Option("nothing", value="")], id=ids.BESIDE)]),
        html.Output(id=ids.MOMENT_AT, className="number"),
        html.Span(id=ids.PLAY_NOTE, className="count", role="status"),
    ]


def _button(name: str, sign: str, says: str) -> Any:
    return html.Button(sign, id=name, type="button", title=says, **{"aria-label": says})
