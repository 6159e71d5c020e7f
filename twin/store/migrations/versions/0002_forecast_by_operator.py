"""A frame may have second opinions beside its forecast of record; forecasts keep ledger defect and absorptivity.

Revision ID: 0002_forecast_by_operator
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002_forecast_by_operator"
down_revision = "0002"
branch_labels = None
depends_on = None

INFERRED: dict[str, Any] = {
    "ledger_defect": sa.Double(),
    "absorptivity": sa.Double(),
    "nominal_absorptivity": sa.Double(),
    "camera_frames": sa.BigInteger(),
}
KEY = ["machine", "build", "layer", "frame"]
INDICES = {
    "forecasts": (["machine", "build", "time_s"], ["machine", "issued_s", "time_s"]),
    "fields": (["machine", "issued_s", "time_s"],),
}


def upgrade() -> None:
    with op.batch_alter_table("forecasts") as table:
        table.add_column(sa.Column("opinion", sa.Text(), nullable=False, server_default=""))
        for name, kind in INFERRED.items():
            table.add_column(sa.Column(name, kind, nullable=True))
        table.drop_constraint("uq_forecasts_machine_build_layer_frame", type_="unique")
        table.create_unique_constraint("uq_forecasts_machine_build_layer_frame_opinion", [*KEY, "opinion"])
    with op.batch_alter_table("fields") as table:
        table.add_column(sa.Column("opinion", sa.Text(), nullable=False, server_default=""))
    for name, indices in INDICES.items():
        with op.batch_alter_table(name) as table:
            table.alter_column("opinion", existing_type=sa.Text(), existing_nullable=False, server_default=None)
            for columns in indices:
                table.drop_index(_index(name, columns))
                by_opinion = _by_opinion(columns)
                table.create_index(_index(name, by_opinion), by_opinion)


def downgrade() -> None:
    """Second opinions are lost, and so is what was inferred."""
    forecasts = sa.table("forecasts", *map(sa.column, ("id", "machine", "opinion")))
    counters = sa.table("counters", *map(sa.column, ("name", "machine", "detail", "count")))
    second = sa.select(forecasts.c.id).where(forecasts.c.opinion != "")
    for name in ("melt_pool", "fields"):
        rows = sa.table(name, sa.column("forecast_id"))
        op.execute(rows.delete().where(rows.c.forecast_id.in_(second)))
        op.execute(counters.delete().where(counters.c.name == name))
        left = (
            sa.select(sa.literal(name), forecasts.c.machine, sa.literal(""), sa.func.count())
            .select_from(rows.join(forecasts, forecasts.c.id == rows.c.forecast_id))
            .group_by(forecasts.c.machine)
        )
        op.execute(counters.insert().from_select(["name", "machine", "detail", "count"], left))
    op.execute("DELETE FROM forecasts WHERE opinion <> ''")
    op.execute("DELETE FROM counters WHERE name = 'opinions'")
    for name, indices in INDICES.items():
        with op.batch_alter_table(name) as table:
            for columns in indices:
                table.drop_index(_index(name, _by_opinion(columns)))
                table.create_index(_index(name, columns), columns)
            if name == "forecasts":
                table.drop_constraint("uq_forecasts_machine_build_layer_frame_opinion", type_="unique")
                table.create_unique_constraint("uq_forecasts_machine_build_layer_frame", KEY)
                for column in INFERRED:
                    table.drop_column(column)
            table.drop_column("opinion")


def _by_opinion(columns: list[str]) -> list[str]:
    """The same with the opinion before what it is ordered by."""
    at = 2 if columns[1] == "build" else 1
    return [*columns[:at], "opinion", *columns[at:]]


def _index(table: str, columns: list[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"
