"""Paths: from sequence numbers and samples to ordered streams, frames and plans. Used by `ingest.order`."""
