"""`python -m ingest.schemas` writes the published schemas anew."""

from ingest.schemas import write

write()
