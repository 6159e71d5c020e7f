"""Sql: the store's port over SQLAlchemy, for SQLite and PostgreSQL; `store.py: SqlStore` is the whole."""
