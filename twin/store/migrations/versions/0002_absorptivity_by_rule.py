"""A build need not state its absorptivity: none means by the rule.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("builds") as table:
        table.alter_column("absorptivity", existing_type=sa.Double(), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE builds SET absorptivity = 0.35 WHERE absorptivity IS NULL")
    with op.batch_alter_table("builds") as table:
        table.alter_column("absorptivity", existing_type=sa.Double(), nullable=False)
