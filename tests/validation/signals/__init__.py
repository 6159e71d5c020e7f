"""Signals: what sensors say beside what is forecast, on series made by the reference and on real ones."""
