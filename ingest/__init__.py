"""Ingest: turns wires and files into observations and closed windows. It knows no operator, table or screen."""
