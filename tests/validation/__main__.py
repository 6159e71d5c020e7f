"""`python -m tests.validation NAME`: the reference against measurement, or operators on a problem; tables and JSON."""

import sys

from tests.validation.attribution import suite as attribution
from tests.validation.harness import suite
from tests.validation.melt_pool import suite as melt_pool
from tests.validation.melt_pool_camera import suite as camera
from tests.validation.radial import suite as radial
from tests.validation.reference import suite as reference
from tests.validation.trust import suite as trust

SUITES = {
    "reference": reference.main,
    "melt-pool": melt_pool.main,
    "radial": radial.main,
    "trust": trust.main,
    "attribution": attribution.main,
    **{name: lambda argv, names=(name,): suite.main(argv, names) for name in (*suite.MARCHES, *suite.MAPS)},
    **{name: lambda argv, names=names: suite.main(argv, names) for name, names in suite.GROUPS.items()},
}
SUITES[camera.NAME] = camera.main
SUITES["hfluxno"] = lambda argv: max(
    suite.main(argv, suite.GROUPS["hfluxno"]), 0 if "--operators" in argv else camera.main(argv)
)

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: python -m tests.validation {{{','.join(SUITES)}}} [options]")
    if sys.argv[1] not in SUITES:
        sys.exit(f"no suite {sys.argv[1]}: there are {', '.join(SUITES)}")
    sys.exit(SUITES[sys.argv[1]](sys.argv[2:]))
