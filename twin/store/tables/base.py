"""Base: what all tables share: names of constraints, and what differs between SQLite and PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Text,
)
from sqlalchemy.orm import DeclarativeBase

SCHEMA_REVISION = "0012_approvals"  # head of migrations/versions

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
CLUSTERED = {"sqlite_with_rowid": False}
BRIN = {"autosummarize": "on", "pages_per_range": 32}
ROW_ID = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that a migration can name them on every engine."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {str: Text, float: Double, int: BigInteger, bytes: LargeBinary}
