"""Doings: what people do on the pages, each one short act through the desk (`ui/doing.py`)."""
