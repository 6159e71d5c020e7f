"""What the report of `demo --headless --for 20` must say: `python -m tests.flow.report r.json`."""

import json
import sys
from pathlib import Path
from typing import Any

KEYS = (
    "messages_published", "messages_committed", "rejected", "duplicates_absorbed", "gaps", "frames_forecast", "alerts",
    "alerts_by_kind", "latency_ms", "attribution_ms", "realtime_factor", "outcomes", "operator", "device", "seed",
)  # fmt: skip


def faults(report: dict[str, Any], *, operator: str = "asno", messages: int = 1000, frames: int = 200) -> list[str]:
    """Each promise that is not kept, as one line."""
    told = sum(report["outcomes"].values())
    promises = {
        f"keys are {', '.join(KEYS)}": tuple(report) == KEYS,
        f"at least {messages:,} messages": report["messages_published"] >= messages,
        "published = committed": report["messages_published"] == report["messages_committed"],
        "none rejected": report["rejected"] == 0,
        f"at least {frames:,} frames": report["frames_forecast"] >= frames,
        "at least 95 % ok": told > 0 and report["outcomes"].get("ok", 0) >= 0.95 * told,
        f"forecast by {operator}": operator in report["operator"].lower(),
        "an attribution was answered": report["attribution_ms"] is not None,
        "latency measured": all(report["latency_ms"][name] is not None for name in ("p50", "p95", "p99")),
    }
    return [promise for promise, kept in promises.items() if not kept]


if __name__ == "__main__":
    read = json.loads(Path(sys.argv[1]).read_text())
    broken = faults(read)
    print("demo report: " + ("every promise kept" if not broken else "NOT " + "; NOT ".join(broken)))
    sys.exit(1 if broken else 0)
