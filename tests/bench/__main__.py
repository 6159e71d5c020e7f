"""`python -m tests.bench NAME`: the reference, a forecast beside it, how attention grows, what wire, ingest, store
and page cost, how often a good build alarms."""

import sys

from tests.bench import (
    bench_alarms,
    bench_attention,
    bench_codecs,
    bench_forecast,
    bench_ingest,
    bench_page,
    bench_reference,
    bench_store,
)

BENCHMARKS = {
    "alarms": bench_alarms.main,
    "codecs": bench_codecs.main,
    "ingest": bench_ingest.main,
    "page": bench_page.main,
    "reference": bench_reference.main,
    "forecast": bench_forecast.main,
    "attention": bench_attention.main,
    "store": bench_store.main,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m tests.bench {{{','.join(BENCHMARKS)}}} [options]")
    sys.exit(BENCHMARKS[sys.argv[1]](sys.argv[2:]))
