#!/usr/bin/env python3
"""The torch sequence for ef + top_k: accumulate, topk(abs), gather, subtract. Prints records as gradcomp_cuda_bench writes them."""
import argparse
import json
import sys


def median(values):
    return sorted(values)[len(values) // 2]


def measure(torch, n, ratio, rounds):
    """Median microseconds of one step over rotating buffers that together leave the L2 cache."""
    buffers = max(2, min(64, (1 << 28) // (8 * n)))
    gradients = [torch.randn(n, device="cuda") for _ in range(buffers)]
    memories = [torch.zeros(n, device="cuda") for _ in range(buffers)]
    k = max(1, n // ratio)
    found = []
    for i in range(rounds + 2):
        gradient, memory = gradients[i % buffers], memories[i % buffers]
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        memory.add_(gradient, alpha=0.5)
        index = torch.topk(memory.abs(), k, sorted=False).indices
        values = memory[index]
        memory[index] -= values
        end.record()
        end.synchronize()
        if i >= 2:
            found.append(begin.elapsed_time(end) * 1e3)
    return median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="file for the records (default: standard output)")
    parser.add_argument("sizes", nargs="+", type=int)
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        sys.exit("not run: python3 has no torch")
    if not torch.cuda.is_available():
        sys.exit("not run: torch has no CUDA device")
    records = []
    for n in options.sizes:
        for ratio in (1000, 100, 10):
            record = {"name": f"rival: torch add, topk(abs), gather, subtract, ratio {ratio}", "d": n, "result": "no gate", "missing": "", "us": 0.0}
            try:
                record["us"] = measure(torch, n, ratio, 7 if n > 500_000_000 else 15)
            except torch.cuda.OutOfMemoryError:
                record["result"], record["missing"] = "not run", "does not fit the memory"
            torch.cuda.empty_cache()
            records.append(record)
            print(f"{record['name']:<60} d {n:>11}  {record['us']:10.2f} us {record['missing']}", file=sys.stderr)
    text = json.dumps(records, indent=1) + "\n"
    if options.out:
        with open(options.out, "w", encoding="utf-8") as out:
            out.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
