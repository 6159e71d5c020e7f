"""Fake: the store's port in memory, for tests, by the same contracts; `store.py: FakeStore` is the whole."""
