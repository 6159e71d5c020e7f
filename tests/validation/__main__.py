"""`python -m tests.validation reference`: the reference physics against measurement, as tables and JSON."""

import sys

from tests.validation.reference import suite

SUITES = {"reference": suite.main}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SUITES:
        sys.exit(f"usage: python -m tests.validation {{{','.join(SUITES)}}} [options]")
    sys.exit(SUITES[sys.argv[1]](sys.argv[2:]))
