"""Summary of two earlier runs in one JSON file: `summary.py --sweep FOLDER --heat FILE --output FILE`."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np


def of_sweep(folder: Path) -> dict[str, Any]:
    """Return the number of oscillators, their sum, and the one with the largest remaining amplitude."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.rglob("RESULT"))]
    liveliest = max(rows, key=lambda row: math.hypot(row["displacement"], row["velocity"] / row["frequency"]))
    return {
        "rows": len(rows),
        "sum_of_displacements": math.fsum(row["displacement"] for row in rows),
        "liveliest": {"damping": liveliest["damping"], "frequency": liveliest["frequency"]},
    }


def of_heat(path: Path) -> dict[str, Any]:
    """Return the parameters of the field, its mean and its peak."""
    with np.load(path) as result:
        facts, field = json.loads(str(result["facts"])), result["field"]
    return {**facts, "mean": float(field.mean()), "peak": float(field.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweep", type=Path, required=True, help="folder with the outputs of the sweep")
    parser.add_argument("--heat", type=Path, required=True, help="result of the heat equation")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    options = parser.parse_args()
    summary = {"sweep": of_sweep(options.sweep), "heat": of_heat(options.heat)}
    options.output.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
