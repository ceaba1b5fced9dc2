#!/usr/bin/env python3
"""scripts/gpu without a GPU: with stand-ins for cmake, nvidia-smi, the sanitizer and all programs, what counts as passed, failed and not run."""
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from report import ROOT, Report

SUMMARY = "[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped"
RECORD = {"name": "ef + top_k ratio 100", "d": 1000000, "result": "gate met", "missing": "", "us": 20.0, "floor_us": 8.0, "floor_ratio": 2.5, "predicted_us": 7.5, "launched_us": 31.0,
          "bytes_per_element": 12, "floor_tb_per_s": 1.5, "gate": 0, "gate_us": 25, "aim": 0, "aim_us": 15, "launches": 8, "fallbacks": 0}
RIVAL = {"name": "rival: cub radix sort pairs, any ratio", "d": 1000000, "result": "no gate", "missing": "", "us": 100.0}


class World:
    """A copy of the scripts, and a folder of stand-ins that comes first in PATH."""

    def __init__(self, folder):
        self.root, self.bin, self.out = folder / "tree", folder / "bin", folder / "out"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (self.root / "bench/cuda").mkdir(parents=True)
        shutil.copy(ROOT / "bench/cuda/torch_rival.py", self.root / "bench/cuda")
        self.bin.mkdir()
        self.command("nvcc", 'echo "Cuda compilation tools, release 13.0, V13.0.88"')
        self.command("nvidia-smi", 'case $* in -L) echo "GPU 0: Stand-in (UUID: 1)" ;; *=name*) echo Stand-in ;; *=driver_version*) echo 580.1 ;; esac')
        self.command("cmake", "exit 0")
        self.command("python3", f'case $* in *torch_rival*) echo "not run: python3 has no torch" >&2; exit 1 ;; esac; exec {sys.executable} "$@"')
        self.build = self.root / "build/gpu"
        (self.build / "tests").mkdir(parents=True)
        (self.build / "examples").mkdir()

    def command(self, name, text):
        path = self.bin / name if "/" not in name else self.build / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def programs(self, **texts):
        """CUDA test programs by name."""
        paths = [self.command(f"tests/{name}", text) for name, text in texts.items()]
        (self.build / "programs.txt").write_text("".join(f"cuda|{path.name}|{path}\n" for path in paths))

    def run(self, *arguments, out=True):
        shutil.rmtree(self.out, ignore_errors=True)
        environment = {**os.environ, "PATH": f"{self.bin}:/usr/bin:/bin", "GRADCOMP_JOBS": "1"}
        for name in ("CUDACXX", "GRADCOMP_DATA"):
            environment.pop(name, None)
        done = subprocess.run([self.root / "scripts/gpu", *arguments, *(["--out", self.out] if out else [])], capture_output=True, text=True, env=environment, timeout=120)
        self.text, self.status = done.stdout + done.stderr, done.returncode
        return self

    def result(self, stage):
        return json.loads((self.out / f"{stage}.json").read_text())

    def rows(self, stage):
        return {row["what"]: row["result"] for row in self.result(stage)["rows"]}


def check_start(report, world):
    report.add("a stage and a folder are needed", world.run(out=False).status == 2 and world.run("tests", out=False).status == 2 and world.run("nonsense").status == 2, world.text)
    smi = (world.bin / "nvidia-smi").read_text()
    world.command("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    for stage in ("kernels", "tests", "sanitize", "bench", "train", "all"):
        world.run(stage)
        report.add(f"{stage} without a device says so and leaves nothing", world.status == 2 and "no CUDA device" in world.text and not world.out.exists(), world.text)
    (world.bin / "nvidia-smi").write_text(smi)
    world.programs(test_cuda_a=f"echo '{SUMMARY}'")
    world.command("cmake", "echo broken code; exit 1")
    world.run("tests")
    report.add("a build that fails is a failed stage with results", world.status == 1 and world.rows("tests") == {"build": "failed"} and "broken code" in world.text, world.text)
    world.command("cmake", "exit 0")


def check_tests(report, world):
    world.programs(test_cuda_a=f"echo '{SUMMARY}'; echo 'not run: several ranks on one GPU (NCCL is older than 2.30)'", comm_nccl_library=f"echo '{SUMMARY}'")
    world.run("tests")
    found = world.result("tests")
    report.add("programs that pass", world.status == 0 and world.rows("tests")["comm_nccl_library"] == "passed" and "3 passed" in world.text, world.text)
    report.add("what a program did not run is listed", any(r["result"] == "not run" and "2.30" in r["detail"] for r in found["rows"]), world.text)
    report.add("date, GPU, driver and toolkit are written", found["gpu"] == "Stand-in" and found["driver"] == "580.1" and found["toolkit"] == "13.0" and len(found["date"]) == 10
               and "GPU: Stand-in; driver: 580.1; toolkit: 13.0" in (world.out / "tests.md").read_text(), str(found))
    world.programs(test_cuda_a=f"echo '{SUMMARY}'", test_cuda_b="echo crash; exit 3", test_cuda_c="echo 'not run: no CUDA device'; exit 77", test_cuda_d="exit 0")
    world.run("tests")
    rows = world.result("tests")["rows"]
    failed = {row["what"] for row in rows if row["result"] == "failed"}
    report.add("a crash, no device and a program without test cases are failures", world.status == 1 and failed == {"test_cuda_b", "test_cuda_c", "test_cuda_d"}, world.text)
    with tarfile.open(world.out / "tests.logs.tar.gz") as packed:
        names = {Path(name).name for name in packed.getnames()}
    report.add("logs are packed, and few files lie beside them", {"build.log", "test_cuda_a.log", "rows.tsv"} <= names
               and sorted(path.name for path in world.out.iterdir()) == ["tests.json", "tests.logs.tar.gz", "tests.md"], str(names))
    report.add("NCCL that is absent is not run", any(row["what"] == "NCCL" and row["result"] == "not run" for row in rows), world.text)


def check_sanitize(report, world):
    world.programs(test_cuda_a=f"echo '{SUMMARY}'", cuda_faults="exit 0")
    world.programs(test_cuda_a=f"echo '{SUMMARY}'")
    tools = {"memcheck", "racecheck", "initcheck", "synccheck"}
    if not Path("/usr/local/cuda/bin/compute-sanitizer").exists() and shutil.which("compute-sanitizer", path="/usr/bin:/bin") is None:
        world.run("sanitize")
        report.add("a missing sanitizer is four failures", world.status == 1 and world.rows("sanitize") == dict.fromkeys(tools, "failed"), world.text)
    faults = ("case $2 in memcheck) echo '== Invalid __global__ write of size 4' ;; racecheck) echo '== RACECHECK SUMMARY: 1 hazard displayed' ;;"
              " initcheck) echo '== Uninitialized __global__ memory read' ;; synccheck) echo '== Barrier error detected' ;; esac; exit 9")
    fine = f"echo '{SUMMARY}'; echo '== ERROR SUMMARY: 0 errors'"
    world.command("compute-sanitizer", f"case $* in *cuda_faults*) {faults} ;; *) {fine} ;; esac")
    world.run("sanitize")
    rows = world.rows("sanitize")
    report.add("controls that are found and programs that are clean pass", world.status == 0 and {f"{tool} control" for tool in tools} | {f"{tool} test_cuda_a" for tool in tools} <= set(rows)
               and set(rows.values()) == {"passed"}, world.text)
    world.command("compute-sanitizer", f"case $* in *cuda_faults*) {faults} ;; *racecheck*) echo '{SUMMARY}'; exit 9 ;; *) {fine} ;; esac")
    world.run("sanitize")
    report.add("a finding fails its row alone", world.status == 1 and [what for what, result in world.rows("sanitize").items() if result == "failed"] == ["racecheck test_cuda_a"], world.text)
    world.command("compute-sanitizer", f"{fine}")
    world.run("sanitize")
    report.add("a tool that misses its control proves nothing", world.status == 1 and set(world.rows("sanitize").values()) == {"passed", "failed"}
               and not any("test_cuda_a" in what for what in world.rows("sanitize")), world.text)
    world.command("compute-sanitizer", f"case $* in *cuda_faults*) {faults} ;; *) {fine} ;; esac")
    world.run("sanitize", "--tool", "racecheck")
    report.add("one tool alone", world.status == 0 and set(world.rows("sanitize")) == {"build", "racecheck control", "racecheck test_cuda_a"}, world.text)
    report.add("another word for a tool is refused", world.run("sanitize", "--tool", "ncu").status == 2 and world.run("tests", "--seconds", "x").status == 2, world.text)
    world.command("compute-sanitizer", "echo '== Error: Device not supported. Please refer to the documentation'; echo '== ERROR SUMMARY: 1 error'; exit 9")
    world.run("sanitize")
    report.add("a device that the sanitizer refuses is said", world.status == 1 and world.text.count("refuses this device") == 4, world.text)


def check_bench(report, world):
    def bench(records, status=0):
        text = json.dumps(records)
        world.command("tests/gradcomp_cuda_bench", f"echo $2 >>{world.root}/mode; cat >$1 <<'END'\n{text}\nEND\nexit {status}")

    bench([RECORD, RIVAL])
    world.run("kernels")
    page = (world.out / "kernels.md").read_text() if (world.out / "kernels.md").exists() else ""
    report.add("kernels: figures with prediction and gates, rivals as multiples", world.status == 0 and "| 20.0 | 31.0 | 7.5 | 8.0 | 2.500 | 25 us | 15 us | 8 | gate met |" in page and "5.0 x ours" in page,
               world.text)
    world.run("bench")
    report.add("bench: torch that is absent is not run", world.status == 0 and world.rows("bench")["torch as a rival"] == "not run", world.text)
    report.add("kernels is quick, bench is not", (world.root / "mode").read_text().split("\n")[:2] == ["quick", ""])
    bench([RECORD | {"result": "gate missed"}])
    report.add("a missed gate fails the stage", world.run("bench").status == 1, world.text)
    bench([RECORD | {"result": "failed", "missing": "value 3 of the message differs"}, RIVAL], status=1)
    world.run("bench")
    report.add("a wrong result fails its row, and the others keep their figures", world.status == 1 and "failed: value 3 of the message differs" in world.text and "100.0" in world.text
               and world.rows("bench")["gradcomp_cuda_bench"] == "failed", world.text)
    world.command("tests/gradcomp_cuda_bench", f"cat >$1 <<'END'\n{json.dumps([RECORD])}\nEND\nsleep 60")
    world.run("kernels", "--seconds", "14")
    report.add("a bench that is stopped leaves what it measured", world.status == 1 and "lack of time" in world.text and world.result("kernels")["records"] == [RECORD], world.text)
    bench([], status=1)
    world.run("bench")
    report.add("a bench that ends early fails the stage", world.status == 1 and world.rows("bench")["gradcomp_cuda_bench"] == "failed", world.text)


def check_train(report, world):
    def train(gpu, cpu):
        row = {"data": "Fashion-MNIST", "method": "def", "ratio": 64.0, "seed": 1, "epochs": 12, "workers": 8}
        lines = [f"mkdir -p {world.out}/train {world.out}/train-cpu"]
        for folder, accuracy in (("train", gpu), ("train-cpu", cpu)):
            text = json.dumps([row | {"accuracy_evaluation": accuracy}])
            lines.append(f"cat >{world.out}/{folder}/results.json <<'END'\n{text}\nEND")
        world.command("examples/train_fashion", "\n".join(lines))

    train(89.0, 89.4)
    world.run("train")
    report.add("accuracies that agree", world.status == 0 and world.rows("train")["accuracy of def, ratio 64"] == "passed", world.text)
    train(80.0, 89.4)
    report.add("accuracies that do not", world.run("train").status == 1 and world.rows("train")["accuracy of def, ratio 64"] == "failed", world.text)
    train(None, 89.4)
    report.add("an accuracy that is missing", world.run("train").status == 1, world.text)
    world.command("examples/train_fashion", "echo 'train_fashion: --device cuda: no CUDA device: none'; exit 2")
    report.add("a program that cannot start", world.run("train").status == 1 and "no CUDA device" in world.text, world.text)


def main():
    report = Report("gpu_script")
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for check in (check_start, check_tests, check_sanitize, check_bench, check_train):
            check(report, world)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
