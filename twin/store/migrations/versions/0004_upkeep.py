"""Builds may be kept from pruning; observations are found by when they were received; fields are kept in steps.

Revision ID: 0004_upkeep
Revises: 0003_frames
"""

import zlib

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0004_upkeep"
down_revision = "0003_frames"
branch_labels = None
depends_on = None

_STEP_K = 0.5  # as it was when this was written
_FIELDS = sa.table(
    "fields",
    *(sa.column(name) for name in ("forecast_id", "lead", "nx", "ny", "nz", "dtype", "checksum", "temperature_k")),
)


def upgrade() -> None:
    op.create_table(
        "kept_builds",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("kept_by", sa.Text(), nullable=False),
        sa.Column("kept_s", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "build", name=op.f("pk_kept_builds")),
    )
    op.create_index(
        op.f("ix_observations_received_s"),
        "observations",
        ["received_s"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": 32},
    )


def downgrade() -> None:
    """An older reader knows no steps: those fields become float32, as they are; which builds were kept is lost."""
    op.drop_index(op.f("ix_observations_received_s"), table_name="observations")
    op.drop_table("kept_builds")
    op.execute("DELETE FROM counters WHERE name LIKE 'pruned%' OR name LIKE 'left_out%'")
    fields, connection = _FIELDS, op.get_bind()
    keys = sa.select(fields.c.forecast_id, fields.c.lead).where(fields.c.dtype == "u2 steps")
    for forecast_id, lead in connection.execute(keys).all():
        place = sa.and_(fields.c.forecast_id == forecast_id, fields.c.lead == lead)
        row = connection.execute(sa.select(fields).where(place)).one()
        steps = np.frombuffer(zlib.decompress(row.temperature_k), np.uint8).reshape(2, -1).T
        along = np.ascontiguousarray(steps).view("<u2").reshape(row.nx, row.ny, row.nz)
        temperature_k = np.cumsum(along, axis=0, dtype="<u2").astype("<f4") * np.float32(_STEP_K)
        packed = zlib.compress(temperature_k.tobytes(), 1)
        changed = {"dtype": "<f4", "checksum": zlib.crc32(packed), "temperature_k": packed}
        connection.execute(fields.update().where(place).values(changed))
