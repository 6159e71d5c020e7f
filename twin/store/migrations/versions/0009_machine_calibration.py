"""What a machine's sensors say of its absorptivity and beam, with an interval, over time.

Revision ID: 0009_machine_calibration
Revises: 0008_requests
"""

import sqlalchemy as sa
from alembic import op

revision = "0009_machine_calibration"
down_revision = "0008_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "machine_calibration",
        sa.Column("forecast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("made_s", sa.Double(), nullable=False),
        sa.Column("nominal", sa.Double(), nullable=False),
        sa.Column("estimate", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("signals", sa.Text(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("identifiable", sa.Boolean(), nullable=False),
        sa.Column("consistent", sa.Boolean(), nullable=False),
        sa.Column("followed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["forecast_id"], ["forecasts.id"], name=op.f("fk_machine_calibration_forecast_id_forecasts")
        ),
        sa.PrimaryKeyConstraint("forecast_id", "quantity", name=op.f("pk_machine_calibration")),
    )
    op.create_index(
        op.f("ix_machine_calibration_machine_build_quantity_made_s_time_s"),
        "machine_calibration",
        ["machine", "build", "quantity", "made_s", "time_s"],
    )


def downgrade() -> None:
    op.drop_table("machine_calibration")
