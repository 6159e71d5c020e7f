"""Tests that cross the packages: from bytes to rows."""
