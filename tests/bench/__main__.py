"""`python -m tests.bench reference`: how fast the reference is here."""

import sys

from tests.bench import bench_reference

BENCHMARKS = {"reference": bench_reference.main}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m tests.bench {{{','.join(BENCHMARKS)}}} [options]")
    sys.exit(BENCHMARKS[sys.argv[1]](sys.argv[2:]))
