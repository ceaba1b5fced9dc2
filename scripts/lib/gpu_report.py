#!/usr/bin/env python3
"""The end of a stage of scripts/gpu: STAGE.json and STAGE.md from rows (what, result, detail; tabs between) and records of benches.

Prints the Markdown. Exit status 1 when a row failed or a gate was missed, or when there is no row at all.
"""
import argparse
import json
import sys
from pathlib import Path

BAD = {"failed", "gate missed"}


def number(value, digits=1):
    return f"{value:.{digits}f}" if value else ""


def target(record, name):
    parts = [number(record.get(name), 2), f"{record[name + '_us']:.0f} us" if record.get(name + "_us") else ""]
    return " ".join(part for part in parts if part)


def times_ours(record, records):
    """How often ef + top_k of the same size and ratio (100 where any will do) fits into a rival's time."""
    if not record["name"].startswith("rival: ") or not record.get("us"):
        return ""
    ratio = record["name"].rsplit("ratio ", 1)[-1] if "any ratio" not in record["name"] else "100"
    ours = [r["us"] for r in records if r["name"] == f"ef + top_k ratio {ratio}" and r["d"] == record["d"] and r.get("us")]
    return f"{record['us'] / ours[0]:.1f} x ours" if ours else ""


def bench_table(records):
    lines = ["| operation | elements | us | launched us | predicted us | floor us | of floor | gate | aim | launches | result |", "|---|--:|--:|--:|--:|--:|--:|---|---|--:|---|"]
    for r in records:
        result = r["result"] + (f": {r['missing']}" if r.get("missing") else "") + (f", {r['fallbacks']} samples missed" if r.get("fallbacks") else "")
        lines.append("| " + " | ".join([r["name"], str(r["d"]), number(r["us"]), number(r.get("launched_us")), number(r.get("predicted_us")), number(r.get("floor_us")), number(r.get("floor_ratio"), 3),
                                        target(r, "gate"), target(r, "aim"), str(r.get("launches") or ""), times_ours(r, records) or result]) + " |")
    lines += ["", "Medians of replayed graphs; launched: by the host, one launch at a time. Predicted: the bytes of the floor at the bandwidth that plain streams of this size reached in this run. Floor: a bare kernel that reads and"
              " writes as much, timed in turn with the operation, on rotating buffers. Rivals select only, or, torch, do the whole of ef + top_k."]
    return lines


def write(path, text):
    """Whole or not at all: results are written again and again while a stage runs, and whoever stops it keeps the last ones."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text)
    part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--records", type=Path, nargs="*", default=[], help="files of records; those that are missing are left out")
    for fact in ("date", "gpu", "driver", "toolkit", "seconds"):
        parser.add_argument(f"--{fact}", default="")
    options = parser.parse_args()

    rows = [dict(zip(("what", "result", "detail"), line.split("\t"))) for line in options.rows.read_text().splitlines() if line]
    records = [record for path in options.records if path.is_file() for record in json.loads(path.read_text())]
    facts = {"date": options.date, "gpu": options.gpu, "driver": options.driver, "toolkit": options.toolkit, "seconds": int(options.seconds or 0)}

    lines = [f"# scripts/gpu {options.stage}", "", f"date: {options.date}; GPU: {options.gpu}; driver: {options.driver}; toolkit: {options.toolkit}; {options.seconds} s, builds included", ""]
    lines += ["| what | result | detail |", "|---|---|---|"]
    lines += [f"| {row['what']} | {row['result']} | {row.get('detail', '').replace('|', ',')} |" for row in rows]
    if records:
        lines += [""] + bench_table(records)
    text = "\n".join(lines) + "\n"
    write(options.out / f"{options.stage}.md", text)
    write(options.out / f"{options.stage}.json", json.dumps({"stage": options.stage, **facts, "rows": rows, "records": records}, indent=1) + "\n")
    sys.stdout.write(text)
    failed = [row for row in rows if row["result"] in BAD] + [record for record in records if record["result"] in BAD]
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
