#!/usr/bin/env python3
"""Rows of scripts/gpu for every training of B.json: whether A.json has the same one with nearly the same accuracy.

One percentage point apart: between seeds the standard deviation of the test accuracy is about 0.1, and 10 000 test images alone give 0.3.
"""
import json
import sys
from pathlib import Path

APART = 1.0


def key(record):
    return record["data"], record["method"], record["ratio"], record["seed"], record["epochs"], record["workers"]


def main():
    there = {key(record): record for record in json.loads(Path(sys.argv[1]).read_text())}
    wanted = json.loads(Path(sys.argv[2]).read_text())
    for record in wanted:
        other = there.get(key(record))
        here = record["accuracy_evaluation"]
        found = other["accuracy_evaluation"] if other else None
        near = found is not None and here is not None and abs(found - here) <= APART
        detail = f"{found} percent on the GPU, {here} on the processor" if other else "no such training on the GPU"
        print(f"accuracy of {record['method']}, ratio {record['ratio']:g}", "passed" if near else "failed", detail, sep="\t")
    return 0 if wanted else 1


if __name__ == "__main__":
    sys.exit(main())
