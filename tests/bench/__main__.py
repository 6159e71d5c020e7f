"""`python -m tests.bench NAME`: the reference, a forecast beside it, how attention grows, what wire, ingest and store
cost."""

import sys

from tests.bench import bench_attention, bench_codecs, bench_forecast, bench_ingest, bench_reference, bench_store

BENCHMARKS = {
    "codecs": bench_codecs.main,
    "ingest": bench_ingest.main,
    "reference": bench_reference.main,
    "forecast": bench_forecast.main,
    "attention": bench_attention.main,
    "store": bench_store.main,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m tests.bench {{{','.join(BENCHMARKS)}}} [options]")
    sys.exit(BENCHMARKS[sys.argv[1]](sys.argv[2:]))
