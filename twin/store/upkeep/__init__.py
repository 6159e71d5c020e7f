"""Upkeep: what a store needs over the years: migrations, backups, room on the disk, an end to old fields, exports."""
