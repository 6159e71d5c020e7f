"""`python -m tests.bench NAME`: the reference, a forecast beside it, how attention grows, what wire, ingest, store
and page cost, how often a good build alarms.

Only the named one is loaded: reference, forecast and attention run where only what operators need is installed.
"""

import sys
from importlib import import_module

BENCHMARKS = ("alarms", "codecs", "ingest", "page", "reference", "forecast", "attention", "store")

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m tests.bench {{{','.join(BENCHMARKS)}}} [options]")
    sys.exit(import_module(f"tests.bench.bench_{sys.argv[1]}").main(sys.argv[2:]))
