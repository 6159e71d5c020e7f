"""Sensors: what is observed beside what was forecast: pairs, faults, drift, what the metal absorbs.

docs/real_signals.md shows it at work.
"""
