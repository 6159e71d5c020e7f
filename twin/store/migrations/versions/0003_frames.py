"""Pictures of cameras have their table, and a reject says its reason also as a code.

Revision ID: 0003_frames
Revises: 0002_forecast_by_operator
"""

import zlib

import sqlalchemy as sa
from alembic import op

from twin.store.packing import unpack_message

revision = "0003_frames"
down_revision = "0002_forecast_by_operator"
branch_labels = None
depends_on = None

_NUMBERS = ("x_m", "y_m", "rotation_rad", "pixel_m", "exposure_s", "sensor_min", "sensor_max", "scale", "offset")


def upgrade() -> None:
    op.create_table(
        "frames",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("source", "camera", "machine", "build")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("sequence", "layer")),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("sent_s", sa.Double(), nullable=True),
        sa.Column("received_s", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("view", "quantity", "unit", "centre_from", "dtype")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _NUMBERS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("rows", "columns", "checksum")),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "camera", "sequence", name=op.f("pk_frames")),
    )
    with op.batch_alter_table("frames") as table:
        table.create_index(
            op.f("ix_frames_machine_build_time_s_camera_source_sequence"),
            ["machine", "build", "time_s", "camera", "source", "sequence"],
        )
        table.create_index(op.f("ix_frames_received_s"), ["received_s"])
    with op.batch_alter_table("rejects") as table:
        table.add_column(sa.Column("code", sa.Text(), nullable=True))
    op.execute("UPDATE rejects SET code = 'unreadable'")
    with op.batch_alter_table("rejects") as table:
        table.alter_column("code", existing_type=sa.Text(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("rejects") as table:
        table.drop_column("code")
    op.drop_table("frames")
    for name in ("observations", "conflicts"):  # an older reader knows neither the kind nor its encoding
        kept = sa.table(name, sa.column("encoding"))
        op.execute(kept.delete().where(kept.c.encoding == "json+digest"))
    _as_json("observations", "id")
    _as_json("conflicts", "source", "channel", "sequence", "digest")
    op.execute("DELETE FROM counters WHERE name = 'frames' OR (name = 'observations' AND detail = 'frame')")


def _as_json(name: str, *key: str) -> None:
    """An older reader knows messages as JSON only."""
    connection = op.get_bind()
    table = sa.table(name, *(sa.column(column) for column in (*key, "encoding", "payload")))
    kept = sa.select(*(table.c[column] for column in key)).where(table.c.encoding == "samples")
    for row in connection.execute(kept).all():
        here = sa.and_(*(table.c[column] == value for column, value in zip(key, row, strict=True)))
        payload = connection.execute(sa.select(table.c.payload).where(here)).scalar_one()
        text = unpack_message("samples", payload).model_dump_json().encode()
        connection.execute(sa.update(table).where(here).values(encoding="json+zlib", payload=zlib.compress(text, 1)))
