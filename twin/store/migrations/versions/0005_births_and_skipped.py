"""Births of sources, frames that were skipped, and when a reject was taken in after all.

Revision ID: 0005_births_and_skipped
Revises: 0004_upkeep
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_births_and_skipped"
down_revision = "0004_upkeep"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "births",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("birth", sa.BigInteger(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("noticed_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("source", "birth", name=op.f("pk_births")),
    )
    op.create_index(op.f("ix_births_machine_noticed_s"), "births", ["machine", "noticed_s"])
    op.create_table(
        "skipped",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("first_frame", sa.BigInteger(), nullable=False),
        sa.Column("last_frame", sa.BigInteger(), nullable=False),
        sa.Column("noticed_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "build", "layer", "first_frame", name=op.f("pk_skipped")),
    )
    op.create_index(op.f("ix_skipped_machine_noticed_s"), "skipped", ["machine", "noticed_s"])
    with op.batch_alter_table("rejects") as table:
        table.add_column(sa.Column("reingested_s", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("rejects") as table:
        table.drop_column("reingested_s")
    op.drop_table("skipped")
    op.drop_table("births")
    op.execute("DELETE FROM counters WHERE name IN ('births', 'skipped', 'reingested')")
