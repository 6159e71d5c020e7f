"""Replay: a stored build looked back at. Each viewer scrubs alone, so nothing of it is fanned out."""
