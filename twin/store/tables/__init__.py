"""Tables: one schema for SQLite and PostgreSQL. Times are seconds, everything else SI, said by the suffix.

Wall clocks (`issued_s`, `sent_s`, `received_s`, ...) are UTC since the epoch; `time_s` is the machine's process time.
History is append-only: `observations`, `rejects`, `gaps`, `conflicts`, `forecasts` and what hangs on them never change.
`machines`, `builds` and `layers` are the newest word about a thing, folded in the transaction of its observations.
Series that people query are rows (`melt_pool`, `signals`); samples that come at up to 100 kHz are arrays, one row a
message (`parameters`), and so are fields. Tables that are read by ranges are clustered on their key in SQLite
(`sqlite_with_rowid=False`): one tree to write, one to read.
"""

from twin.store.tables.approved import ApprovalRow
from twin.store.tables.asked import CounterRow, RequestRow
from twin.store.tables.base import SCHEMA_REVISION, Base
from twin.store.tables.heard import (
    BirthRow,
    BuildRow,
    ConflictRow,
    GapRow,
    KeptBuildRow,
    LayerRow,
    MachineRow,
    ObservationRow,
    RejectRow,
    SkippedRow,
)
from twin.store.tables.people import AccountActRow, AccountRow
from twin.store.tables.remarks import BuildMarkRow, NoteRow
from twin.store.tables.sampled import FrameRow, ParametersRow, ScanVectorRow, SignalRow
from twin.store.tables.told import AlertActRow, AlertRow, CalibrationRow, CardRow, FieldRow, ForecastRow, MeltPoolRow

__all__ = [
    "SCHEMA_REVISION",
    "AccountActRow",
    "AccountRow",
    "AlertActRow",
    "AlertRow",
    "ApprovalRow",
    "Base",
    "BirthRow",
    "BuildMarkRow",
    "BuildRow",
    "CalibrationRow",
    "CardRow",
    "ConflictRow",
    "CounterRow",
    "FieldRow",
    "ForecastRow",
    "FrameRow",
    "GapRow",
    "KeptBuildRow",
    "LayerRow",
    "MachineRow",
    "MeltPoolRow",
    "NoteRow",
    "ObservationRow",
    "ParametersRow",
    "RejectRow",
    "RequestRow",
    "ScanVectorRow",
    "SignalRow",
    "SkippedRow",
]
