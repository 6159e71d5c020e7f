"""Bands around the sizes at every lead, and how credible a forecast is.

Revision ID: 0007_bands
Revises: 0006_alarms
"""

import sqlalchemy as sa
from alembic import op

revision = "0007_bands"
down_revision = "0006_alarms"
branch_labels = None
depends_on = None

BANDS = [f"{size}_{end}_m" for size in ("length", "width", "depth") for end in ("low", "high")] + ["coverage"]
WORDS = ("strangest", "evidence")


def upgrade() -> None:
    """Forecasts from before have no band, and nothing is said about them."""
    with op.batch_alter_table("melt_pool") as table:
        for name in BANDS:
            table.add_column(sa.Column(name, sa.Double(), nullable=True))
    with op.batch_alter_table("forecasts") as table:
        table.add_column(sa.Column("credibility", sa.Double(), nullable=True))
        for name in WORDS:
            table.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("forecasts") as table:
        for name in WORDS:
            table.alter_column(name, existing_type=sa.Text(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("forecasts") as table:
        for name in (*WORDS, "credibility"):
            table.drop_column(name)
    with op.batch_alter_table("melt_pool") as table:
        for name in BANDS:
            table.drop_column(name)
