#!/usr/bin/env python3
"""What a PyTorch user would write instead of ef + top-k: accumulate, topk of the magnitudes, gather, subtract. One JSON record a line."""
import json
import statistics
import sys

try:
    import torch
except ImportError:
    print("not run: torch rival (python3 has no torch)", file=sys.stderr)
    sys.exit(77)
if not torch.cuda.is_available():
    print("not run: torch rival (torch sees no CUDA device)", file=sys.stderr)
    sys.exit(77)


def step(gradient, error, k):
    """error += gradient; the k largest leave it."""
    error.add_(gradient)
    index = torch.topk(error.abs(), k, sorted=False).indices
    value = error[index]
    error[index] = 0
    return value, index


for n in [int(text) for text in sys.argv[1:]] or [1_000_000, 25_600_000]:
    for ratio in (1000, 100, 10):
        gradient, error = torch.randn(n, device="cuda"), torch.zeros(n, device="cuda")
        times = []
        for turn in range(17):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            step(gradient, error, max(1, n // ratio))
            end.record()
            end.synchronize()
            if turn >= 2:
                times.append(begin.elapsed_time(end) * 1e3)
        print(json.dumps({"name": f"rival: torch topk + gather + subtract, ratio {ratio}", "d": n, "us": round(statistics.median(times), 3), "torch": torch.__version__}))
