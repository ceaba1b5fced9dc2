#!/usr/bin/env python3
"""What #include <gradcomp/gradcomp.hpp> costs at -O0 beside a file that includes the same standard headers.

Medians of interleaved runs. Writes results.json, results.csv and results.md into --out.
"""
import argparse
import csv
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"


def standard_headers(name, seen):
    """The <...> includes that are not ours, reachable from a header of ours."""
    if name in seen:
        return set()
    seen.add(name)
    found = set()
    for header in re.findall(r"^\s*#\s*include\s*<([^>]+)>", (INCLUDE / name).read_text(), re.MULTILINE):
        if header.startswith("gradcomp/"):
            found |= standard_headers(header, seen)
        elif "cuda" not in header:
            found.add(header)
    return found


def seconds(compiler, source):
    start = time.perf_counter()
    subprocess.run([compiler, "-std=c++20", "-O0", f"-I{INCLUDE}", "-c", str(source), "-o", os.devnull], check=True)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    headers = sorted(standard_headers("gradcomp/gradcomp.hpp", set()) | {"immintrin.h"})
    times = {"library": [], "standard": []}
    with tempfile.TemporaryDirectory() as folder:
        sources = {"library": Path(folder, "library.cpp"), "standard": Path(folder, "standard.cpp")}
        sources["library"].write_text("#include <gradcomp/gradcomp.hpp>\nint main() {}\n")
        sources["standard"].write_text("".join(f"#include <{header}>\n" for header in headers) + "int main() {}\n")
        for source in sources.values():
            seconds(options.compiler, source)  # warms the file cache
        for _ in range(options.runs):
            for name, source in sources.items():
                times[name].append(seconds(options.compiler, source))

    medians = {name: statistics.median(values) for name, values in times.items()}
    version = subprocess.run([options.compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    record = {
        "program": "include_cost", "date": datetime.date.today().isoformat(), "machine": platform.machine(), "compiler": version,
        "load": round(os.getloadavg()[0], 2), "runs": options.runs, "library_seconds": round(medians["library"], 3),
        "standard_seconds": round(medians["standard"], 3), "extra_seconds": round(medians["library"] - medians["standard"], 3),
    }
    (options.out / "results.json").write_text(json.dumps([record], indent=2) + "\n")
    with open(options.out / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=record)
        writer.writeheader()
        writer.writerow(record)
    text = "| " + " | ".join(record) + " |\n|" + "---|" * len(record) + "\n| " + " | ".join(map(str, record.values())) + " |\n"
    (options.out / "results.md").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
