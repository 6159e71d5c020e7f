"""`python -m tests.validation.signals`: real logs beside the forecasts, and the coverage of the calibration's interval.

python -m tests.validation.signals real --frames 3000      # results.json, docs/images/signals_ammt.svg
python -m tests.validation.signals coverage --seeds 100
"""

import json
from argparse import ArgumentParser
from pathlib import Path

from deploy.settings import Settings
from deploy.wiring import operator_of
from tests.conftest import DATA
from tests.validation.signals import made, plots, real

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
IMAGES = HERE.parents[2] / "docs" / "images"


def main() -> None:
    """See the module."""
    parser = ArgumentParser(prog="tests.validation.signals", description=__doc__)
    parser.add_argument("what", choices=("real", "coverage"))
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--cells", type=int, default=8)
    asked = parser.parse_args()
    operator = operator_of(Settings())
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if asked.what == "real":
        found = {"ammt": real.ammt(DATA / "lpbf_ammt_frames", operator, asked.frames)}
        found["pelican"] = real.pelican(DATA / "ded_pelican", operator, asked.frames)
        (IMAGES / "signals_ammt.svg").write_text(plots.ammt(found["ammt"]))
        results |= {name: {k: v for k, v in each.items() if k != "_series"} for name, each in found.items()}
    else:
        rows = []
        for hidden in (0.85, 1.0, 1.15):
            series = made.make(hidden, operator, asked.frames, asked.cells)
            rows += [made.coverage(series, asked.seeds) | {"signals": "width and length"}]
            rows += [made.coverage(series, asked.seeds, lengths=False) | {"signals": "width"}]
            print(json.dumps(rows[-2:]), flush=True)
        results["coverage"] = rows
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
