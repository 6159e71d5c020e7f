"""Alarms by ISA-18.2 and NE 107: what is raised, what people did about it, and what is said of it where.

    causes -> Alarms (raised once, seen again, cleared) -> Flood (grouped) -> Store (occurrences, acts) -> page, MQTT

`defects` needs the domain's physics; all else here loads without torch, because the page reads it. docs/alerts.md
says what is raised when.
"""
