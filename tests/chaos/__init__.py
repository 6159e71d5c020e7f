"""Faults on purpose, with real brokers and databases: what must hold when programs are killed and lines are cut."""
