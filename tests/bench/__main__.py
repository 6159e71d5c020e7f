"""`python -m tests.bench NAME`: how fast the reference is, what a forecast costs beside it, how attention grows."""

import sys

from tests.bench import bench_attention, bench_forecast, bench_reference

BENCHMARKS = {"reference": bench_reference.main, "forecast": bench_forecast.main, "attention": bench_attention.main}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m tests.bench {{{','.join(BENCHMARKS)}}} [options]")
    sys.exit(BENCHMARKS[sys.argv[1]](sys.argv[2:]))
