"""How often p-values of groups without poison fall below a level (`make calibration`).

Writes studies/calibration/summary.csv. The distributions are those of the unit test.
"""

import csv
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "unit"))
import test_detection_calibration as calibration

LEVELS = (0.1, 0.05, 0.01, 0.001)
TABLE = Path(__file__).parents[2] / "studies" / "calibration" / "summary.csv"


def main() -> None:
    calibration.DRAWS = 30_000
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["placebos", "null", *(f"below {level}" for level in LEVELS)])
        for placebos in calibration.PLACEBOS:
            draws = {**calibration.WITHIN_RESOLUTION, **calibration.BEYOND_RESOLUTION}
            for name, draw in draws.items():
                values = calibration.p_values(draw, placebos)
                shares = [f"{(values < level).mean():.4f}" for level in LEVELS]
                writer.writerow([placebos, name, *shares])


if __name__ == "__main__":
    main()
