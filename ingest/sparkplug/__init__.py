"""Sparkplug B 3.0: what an edge node says becomes observations of ours, before the rest of the path sees it.

    topics -> payload (protobuf) -> session (birth, order, aliases) -> naming (metric, unit) -> Observation

Sparkplug is at most once by design (QoS 0): a lost message is noticed by its sequence number, recorded as a gap, and
mended by a rebirth. The twin asks for one only where a setting allows it; that request is the one command it can say.
"""
