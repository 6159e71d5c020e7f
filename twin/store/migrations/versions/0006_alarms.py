"""Alerts by occurrence, with who shelved them until when and how often they came; the history of what was done.

Revision ID: 0006_alarms
Revises: 0005_births_and_skipped
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_alarms"
down_revision = "0005_births_and_skipped"
branch_labels = None
depends_on = None

OPEN = "uq_alerts_open"
INDICES = (
    ["last_seen_s"],
    ["cleared_s", "last_seen_s"],
    ["machine", "last_seen_s"],
    ["machine", "cleared_s", "last_seen_s"],
)
NAMES = ("machine", "build", "kind")
SAID = ("severity", "x_m", "y_m", "first_seen_s", "last_seen_s", "evidence", "action", "cleared_s")
PEOPLE = ("acknowledged_s", "acknowledged_by", "acknowledged_note")
KEPT = (*NAMES, "layer", *SAID, *PEOPLE)


def upgrade() -> None:
    """A kind of alert was open once for each layer in which it began; of those of one build the newest stays open."""
    _set_aside("alerts_before")
    op.create_table("alerts", *_columns(occurrences=True))
    before = sa.table("alerts_before", *map(sa.column, KEPT))
    group = [before.c[name] for name in NAMES]
    order = [before.c.cleared_s.is_(None), before.c.first_seen_s, before.c.layer]
    number = sa.func.row_number().over(partition_by=group, order_by=order)
    last = sa.func.count().over(partition_by=group)
    rows = sa.select(*before.c, number.label("occurrence"), last.label("last")).subquery()
    ended = sa.func.coalesce(rows.c.cleared_s, rows.c.last_seen_s)
    cleared = sa.case((rows.c.occurrence == rows.c.last, rows.c.cleared_s), else_=ended)
    found = [cleared if name == "cleared_s" else rows.c[name] for name in KEPT]
    alerts = sa.table("alerts", *map(sa.column, (*KEPT, "occurrence", "count")))
    op.execute(alerts.insert().from_select([*KEPT, "occurrence", "count"], sa.select(*found, rows.c.occurrence, 1)))
    op.drop_table("alerts_before")
    _make_indices()
    op.create_index(
        OPEN, "alerts", list(NAMES), unique=True,
        sqlite_where=sa.text("cleared_s IS NULL"), postgresql_where=sa.text("cleared_s IS NULL"),
    )  # fmt: skip
    op.create_table(
        "alert_acts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in NAMES),
        sa.Column("occurrence", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("until_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_acts")),
    )
    for columns in (["machine", "build", "kind", "occurrence"], ["machine", "id"]):
        op.create_index(f"ix_alert_acts_{'_'.join(columns)}", "alert_acts", columns)
    _tell_history()


def downgrade() -> None:
    """Of the occurrences of a layer the newest stays; what was shelved, and the history, is lost."""
    op.drop_table("alert_acts")
    _set_aside("alerts_after")
    op.create_table("alerts", *_columns(occurrences=False))
    after = sa.table("alerts_after", *map(sa.column, (*KEPT, "occurrence")))
    key = [after.c[name] for name in (*NAMES, "layer")]
    newest = sa.func.row_number().over(partition_by=key, order_by=after.c.occurrence.desc())
    rows = sa.select(*after.c, newest.label("newest")).subquery()
    kept = sa.select(*(rows.c[name] for name in KEPT)).where(rows.c.newest == 1)
    op.execute(sa.table("alerts", *map(sa.column, KEPT)).insert().from_select(list(KEPT), kept))
    op.drop_table("alerts_after")
    _make_indices()


def _set_aside(name: str) -> None:
    """The key changes: the rows wait in a table of this name while the other one is made."""
    op.execute(f"CREATE TABLE {name} AS SELECT * FROM alerts")
    op.drop_table("alerts")


def _columns(*, occurrences: bool) -> list[sa.schema.SchemaItem]:
    text = dict.fromkeys(("severity", "evidence", "action"), False) | dict.fromkeys(PEOPLE[1:], True)
    real = {"x_m": True, "y_m": True, "first_seen_s": False, "last_seen_s": False, "cleared_s": True, PEOPLE[0]: True}
    whole = ["layer"]
    if occurrences:
        text |= {"shelved_by": True, "shelved_note": True}
        real |= {"shelved_until_s": True}
        whole += ["occurrence", "count"]
    key = [*NAMES, "occurrence" if occurrences else "layer"]
    return [
        *(sa.Column(name, sa.Text(), nullable=False) for name in NAMES),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in whole),
        *(sa.Column(name, sa.Text(), nullable=empty) for name, empty in text.items()),
        *(sa.Column(name, sa.Double(), nullable=empty) for name, empty in real.items()),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_alerts")),
    ]


def _tell_history() -> None:
    """What the rows of before say of it."""
    alerts = sa.table("alerts", *map(sa.column, (*KEPT, "occurrence")))
    c = alerts.c
    acts = (
        ("raised", sa.literal("twin"), c.first_seen_s, c.evidence),
        ("acknowledged", c.acknowledged_by, c.acknowledged_s, sa.func.coalesce(c.acknowledged_note, "")),
        ("cleared", sa.literal("twin"), c.cleared_s, sa.literal("")),
    )
    names = [*NAMES, "occurrence", "act", "by", "at_s", "note"]
    place = [c[name] for name in names[:4]]
    each = [
        sa.select(
            *place, *(what.label(name) for what, name in zip((sa.literal(act), by, at_s, note), names[4:], strict=True))
        ).where(at_s.is_not(None))
        for act, by, at_s, note in acts
    ]
    rows = sa.union_all(*each).subquery()
    history = sa.table("alert_acts", *map(sa.column, names))
    ordered = sa.select(*rows.c).order_by(rows.c.at_s, *(rows.c[name] for name in names[:4]))
    op.execute(history.insert().from_select(names, ordered))


def _make_indices() -> None:
    for columns in INDICES:
        op.create_index(_index(columns), "alerts", columns)


def _index(columns: list[str]) -> str:
    return f"ix_alerts_{'_'.join(columns)}"
