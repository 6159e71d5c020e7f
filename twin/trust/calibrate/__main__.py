"""`python -m twin.trust.calibrate`: what `./meltwin calibrate` calls."""

import sys

from twin.trust.calibrate.recipe import main

sys.exit(main())
