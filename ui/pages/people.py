"""People: who may sign in, as what, and what was done by whom. Only for who may manage accounts (`Page.act`)."""

from datetime import UTC, datetime
from typing import Any

from dash import html

from twin.people import ROLES
from ui import ids
from ui.access.roles import LEAST
from ui.access.who import who
from ui.crew import Crew, Member, read_crew
from ui.figures import Palette
from ui.live import Page, Part, Props
from ui.pages.fields import choice, words
from ui.pages.models.tables import table
from ui.pages.parts import trouble, waiting_panel

MAY = {
    "viewer": "reads every page and report",
    "operator": "also acknowledges and shelves alerts, writes notes, asks the twin for work",
    "engineer": "also approves recipes, promotes models, manages accounts",
}


def layout() -> Any:
    """The page before any row. Where nobody signs in it says how that is changed, and no more."""
    person = who()
    if person is not None and person.by == "nobody":
        unseen = html.Div([html.Div(id=ids.CREW), html.Div(id=ids.CREW_ACTS)], hidden=True)
        return [waiting_panel(), trouble(), _nobody_signs_in(), unseen]
    return [
        waiting_panel(),
        trouble(),
        html.Section(
            [
                html.H2("Accounts"),
                html.P(
                    [html.B(person.name if person else ""), " is you. Your own account is changed by another engineer, "
                     "or on the server: ", html.Code("./meltwin account"), "."], className="what",
                ),
                html.Div(id=ids.CREW, **{"data-me": person.name if person else ""}),
                html.P(id=ids.PEOPLE_SAID, role="status", className="said"),
                html.Div(id=ids.PEOPLE_PASSWORD, className="one-time", hidden=True),
            ],
            className="panel", **{"aria-label": "Accounts"},
        ),
        html.Section(
            [
                html.H2("Add a person"),
                html.Form(
                    [
                        words(ids.PEOPLE_NAME, "Name: small letters, digits, . _ @ + -", wide=True, autoComplete="off"),
                        choice(ids.PEOPLE_ROLE, "Role", ROLES),
                        html.Button("Add, and show a password once", type="submit", id=ids.PEOPLE_ADD),
                        html.Button(
                            "Add without a password: the proxy vouches", type="button", id=ids.PEOPLE_ADD_PROXY
                        ),
                    ],
                    id=ids.PEOPLE_FORM, className="form", **{"aria-label": "Add a person"},
                ),
                html.Dl(
                    [html.Div([html.Dt(role), html.Dd(told)]) for role, told in MAY.items()], className="facts plain"
                ),
            ],
            className="panel", **{"aria-label": "Add a person"},
        ),
        html.Section([html.H2("What was done by whom"), html.Div(id=ids.CREW_ACTS)], className="panel",
                     **{"aria-label": "What was done by whom"}),
    ]  # fmt: skip


def _nobody_signs_in() -> Any:
    return html.Section(
        [
            html.H2("Nobody signs in here"),
            html.P(
                ["The setting ", html.Code("ui_sign_in"), " is ", html.Code("off"), ": whoever reaches this page on "
                 "this computer is an engineer and says their own name. To know who does what, set ",
                 html.Code("ui_sign_in = required"), " (meltwin.toml, or MELTWIN_UI_SIGN_IN=required) and start ",
                 html.Code("./meltwin ui"), " again: it makes the account ", html.B("engineer"), " and shows its "
                 "password once. Then people are added on this page, or with ",
                 html.Code("./meltwin account add NAME --role operator"), "."]
            ),
        ],
        className="panel", id=ids.PEOPLE_OFF, **{"aria-label": "Nobody signs in here"},
    )  # fmt: skip


def draw(crew: Crew, palette: Palette) -> Props:
    """Both tables."""
    del palette
    rows = [_row(each) for each in crew.members]
    header = ("name", "role", "state", "last change", "do")
    return {
        ids.CREW: {"children": table("Accounts", header, rows) if rows else html.P("There is no account yet.")},
        ids.CREW_ACTS: {"children": _acts(crew)},
    }


def _row(each: Member) -> list[Any]:
    state: Any = "may sign in" if each.has_password else "only by the proxy"
    if each.disabled:
        state = [html.Span("◆ ", className="odd"), "shut out"]
    roles = [each.role, *(role for role in ROLES if role != each.role)]
    told = {"data-role-of": each.name, "aria-label": f"Another role for {each.name}"}
    shut = ("enable_account", "Let in") if each.disabled else ("disable_account", "Shut out")
    acts = [
        html.Select([html.Option(role, value=role) for role in roles], **told),
        _button("set_role", "Set role", each.name), _button("new_password", "New password", each.name),
        _button(*shut, each.name),
    ]  # fmt: skip
    last = f"{_date(each.changed_s)} by {each.changed_by}"
    return [each.name, each.role, state, last, html.Div(acts, className="acts")]


def _button(act: str, label: str, name: str) -> Any:
    told = {"data-act": act, "data-name": name, "data-label": label, "aria-label": f"{label}: {name}"}
    return html.Button(label, type="button", className="act", **told)


def _acts(crew: Crew) -> Any:
    rows = [
        (_date(row.at_s), row.by, row.act, row.name if row.name != row.by else "", row.detail)
        for row in crew.acts.itertuples()
    ]
    return table("What was done by whom", ("when", "who", "did", "to", ""), rows) if rows else html.P("Nothing yet.")


def _date(moment_s: float) -> str:
    return f"{datetime.fromtimestamp(moment_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


PAGE = Page(
    "people", "/people", "People", layout, Crew(0.0), read_crew, (Part("crew", 0.9, draw),), act="manage accounts",
    source="people",
)  # fmt: skip
assert LEAST[PAGE.act] == "engineer"
