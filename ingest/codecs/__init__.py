"""Codecs: the forms of a message on the wire. Each reads bytes to a message or to a `Fault`, and never raises.

`text` is JSON, for people and low rates; `columns` is binary, for samples at 100 kHz and pictures. Both say the same
messages (`twin/observation.py`) and hold them to the same ranges (`ranges`).
"""
