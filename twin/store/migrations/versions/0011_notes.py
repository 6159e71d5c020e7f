"""Notes on builds, layers and places, and builds that are marked good.

Revision ID: 0011_notes
Revises: 0010_accounts
"""

import sqlalchemy as sa
from alembic import op

revision = "0011_notes"
down_revision = "0010_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=True),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("x_m", sa.Double(), nullable=True),
        sa.Column("y_m", sa.Double(), nullable=True),
        sa.Column("x1_m", sa.Double(), nullable=True),
        sa.Column("y1_m", sa.Double(), nullable=True),
        sa.Column("radius_m", sa.Double(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("withdraws", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index(op.f("ix_notes_machine_build_layer"), "notes", ["machine", "build", "layer"])
    op.create_index("uq_notes_withdraws", "notes", ["withdraws"], unique=True)
    op.create_table(
        "build_marks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build_marks")),
    )
    op.create_index(op.f("ix_build_marks_machine_build_id"), "build_marks", ["machine", "build", "id"])


def downgrade() -> None:
    op.drop_table("build_marks")
    op.drop_table("notes")
