"""First schema: machines and their messages, what follows from them, forecasts, alerts, cards, counters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("x_m", sa.Double(), nullable=True),
        sa.Column("y_m", sa.Double(), nullable=True),
        sa.Column("first_seen_s", sa.Double(), nullable=False),
        sa.Column("last_seen_s", sa.Double(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("acknowledged_s", sa.Double(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_note", sa.Text(), nullable=True),
        sa.Column("cleared_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("machine", "build", "kind", "layer", name=op.f("pk_alerts")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alerts_cleared_s_last_seen_s"), ["cleared_s", "last_seen_s"], unique=False)
        batch_op.create_index(batch_op.f("ix_alerts_last_seen_s"), ["last_seen_s"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_alerts_machine_cleared_s_last_seen_s"), ["machine", "cleared_s", "last_seen_s"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_alerts_machine_last_seen_s"), ["machine", "last_seen_s"], unique=False)

    op.create_table(
        "builds",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("sent_s", sa.Double(), nullable=True),
        sa.Column("received_s", sa.Double(), nullable=False),
        sa.Column("material", sa.Text(), nullable=False),
        sa.Column("beam_diameter_m", sa.Double(), nullable=False),
        sa.Column("layer_thickness_m", sa.Double(), nullable=False),
        sa.Column("preheat_k", sa.Double(), nullable=False),
        sa.Column("absorptivity", sa.Double(), nullable=False),
        sa.Column("nominal_beam_power_w", sa.Double(), nullable=False),
        sa.Column("nominal_scan_speed_m_per_s", sa.Double(), nullable=False),
        sa.Column("frame_s", sa.Double(), nullable=False),
        sa.Column("hatch_spacing_m", sa.Double(), nullable=True),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("layers", sa.BigInteger(), nullable=True),
        sa.Column("assumed", sa.Text(), nullable=False),
        sa.Column("data_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "build", name=op.f("pk_builds")),
    )
    with op.batch_alter_table("builds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_builds_machine_received_s"), ["machine", "received_s"], unique=False)

    op.create_table(
        "conflicts",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("received_s", sa.Double(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", "channel", "sequence", "digest", name=op.f("pk_conflicts")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "machine", "detail", name=op.f("pk_counters")),
    )
    op.create_table(
        "forecasts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("frame", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("issued_s", sa.Double(), nullable=False),
        sa.Column("sent_s", sa.Double(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("outcome_kind", sa.Text(), nullable=False),
        sa.Column("outcome_which", sa.Text(), nullable=False),
        sa.Column("outcome_by", sa.Double(), nullable=True),
        sa.Column("outcome_unit", sa.Text(), nullable=False),
        sa.Column("regime", sa.Text(), nullable=True),
        sa.Column("keyhole_number", sa.Double(), nullable=True),
        sa.Column("laser_on", sa.Boolean(), nullable=False),
        sa.Column("withheld", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
        sa.UniqueConstraint("machine", "build", "layer", "frame", name=op.f("uq_forecasts_machine_build_layer_frame")),
    )
    with op.batch_alter_table("forecasts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_forecasts_machine_build_time_s"), ["machine", "build", "time_s"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_forecasts_machine_issued_s_time_s"), ["machine", "issued_s", "time_s"], unique=False
        )

    op.create_table(
        "gaps",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("noticed_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "machine", "source", "channel", "first_sequence", "last_sequence", name=op.f("pk_gaps")
        ),
    )
    with op.batch_alter_table("gaps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gaps_machine_noticed_s"), ["machine", "noticed_s"], unique=False)

    op.create_table(
        "layers",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("z_m", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("begun_s", sa.Double(), nullable=True),
        sa.Column("begun_received_s", sa.Double(), nullable=True),
        sa.Column("last_time_s", sa.Double(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("received_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "build", "layer", name=op.f("pk_layers")),
    )
    with op.batch_alter_table("layers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_layers_machine_build_received_s_layer"),
            ["machine", "build", "received_s", "layer"],
            unique=False,
        )

    op.create_table(
        "machines",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("process", sa.Text(), nullable=True),
        sa.Column("time_factor", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("status_received_s", sa.Double(), nullable=True),
        sa.Column("build", sa.Text(), nullable=True),
        sa.Column("build_received_s", sa.Double(), nullable=True),
        sa.Column("last_sent_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("machine", name=op.f("pk_machines")),
    )
    op.create_table(
        "observations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=True),
        sa.Column("layer", sa.BigInteger(), nullable=True),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("sent_s", sa.Double(), nullable=True),
        sa.Column("received_s", sa.Double(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
        sa.UniqueConstraint("source", "channel", "sequence", name=op.f("uq_observations_source_channel_sequence")),
    )
    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_observations_machine_build_layer_kind_source_sequence"),
            ["machine", "build", "layer", "kind", "source", "sequence"],
            unique=False,
        )

    op.create_table(
        "operator_cards",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
        sa.Column("received_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "sha256", name=op.f("pk_operator_cards")),
    )
    op.create_table(
        "parameters",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("first_time_s", sa.Double(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_time_s", sa.Double(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "machine", "build", "layer", "first_time_s", "source", "sequence", name=op.f("pk_parameters")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rejects",
        sa.Column("received_s", sa.Double(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("received_s", "digest", name=op.f("pk_rejects")),
    )
    op.create_table(
        "scan_vectors",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("plan_time_s", sa.Double(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("vector", sa.BigInteger(), nullable=False),
        sa.Column("plan_start_s", sa.Double(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("x0_m", sa.Double(), nullable=False),
        sa.Column("y0_m", sa.Double(), nullable=False),
        sa.Column("x1_m", sa.Double(), nullable=False),
        sa.Column("y1_m", sa.Double(), nullable=False),
        sa.Column("z_m", sa.Double(), nullable=False),
        sa.Column("beam_power_w", sa.Double(), nullable=False),
        sa.Column("scan_speed_m_per_s", sa.Double(), nullable=False),
        sa.Column("dwell_s", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint(
            "machine", "build", "layer", "plan_time_s", "sequence", "source", "vector", name=op.f("pk_scan_vectors")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signals",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("sample", sa.BigInteger(), nullable=False),
        sa.Column("layer", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "machine", "build", "time_s", "name", "source", "sequence", "sample", name=op.f("pk_signals")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fields",
        sa.Column("forecast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lead", sa.BigInteger(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("issued_s", sa.Double(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("lead_s", sa.Double(), nullable=False),
        sa.Column("heading_rad", sa.Double(), nullable=False),
        sa.Column("solidus_k", sa.Double(), nullable=False),
        sa.Column("boiling_k", sa.Double(), nullable=False),
        sa.Column("nx", sa.BigInteger(), nullable=False),
        sa.Column("ny", sa.BigInteger(), nullable=False),
        sa.Column("nz", sa.BigInteger(), nullable=False),
        sa.Column("axes_m", sa.LargeBinary(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("rounding_k", sa.Double(), nullable=False),
        sa.Column("checksum", sa.BigInteger(), nullable=False),
        sa.Column("temperature_k", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecasts.id"], name=op.f("fk_fields_forecast_id_forecasts")),
        sa.PrimaryKeyConstraint("forecast_id", "lead", name=op.f("pk_fields")),
    )
    with op.batch_alter_table("fields", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_fields_machine_issued_s_time_s"), ["machine", "issued_s", "time_s"], unique=False
        )

    op.create_table(
        "melt_pool",
        sa.Column("forecast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lead", sa.BigInteger(), nullable=False),
        sa.Column("lead_s", sa.Double(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("length_m", sa.Double(), nullable=True),
        sa.Column("width_m", sa.Double(), nullable=True),
        sa.Column("depth_m", sa.Double(), nullable=True),
        sa.Column("x_m", sa.Double(), nullable=True),
        sa.Column("y_m", sa.Double(), nullable=True),
        sa.Column("beam_power_w", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecasts.id"], name=op.f("fk_melt_pool_forecast_id_forecasts")),
        sa.PrimaryKeyConstraint("forecast_id", "lead", name=op.f("pk_melt_pool")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("melt_pool")
    with op.batch_alter_table("fields", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fields_machine_issued_s_time_s"))

    op.drop_table("fields")
    op.drop_table("signals")
    op.drop_table("scan_vectors")
    op.drop_table("rejects")
    op.drop_table("parameters")
    op.drop_table("operator_cards")
    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_observations_machine_build_layer_kind_source_sequence"))

    op.drop_table("observations")
    op.drop_table("machines")
    with op.batch_alter_table("layers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_layers_machine_build_received_s_layer"))

    op.drop_table("layers")
    with op.batch_alter_table("gaps", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gaps_machine_noticed_s"))

    op.drop_table("gaps")
    with op.batch_alter_table("forecasts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_forecasts_machine_issued_s_time_s"))
        batch_op.drop_index(batch_op.f("ix_forecasts_machine_build_time_s"))

    op.drop_table("forecasts")
    op.drop_table("counters")
    op.drop_table("conflicts")
    with op.batch_alter_table("builds", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_builds_machine_received_s"))

    op.drop_table("builds")
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alerts_machine_last_seen_s"))
        batch_op.drop_index(batch_op.f("ix_alerts_machine_cleared_s_last_seen_s"))
        batch_op.drop_index(batch_op.f("ix_alerts_last_seen_s"))
        batch_op.drop_index(batch_op.f("ix_alerts_cleared_s_last_seen_s"))

    op.drop_table("alerts")
