"""Checks that are not doctest programs: run compilers side by side, report in doctest's own form."""
import concurrent.futures
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", f"-I{ROOT / 'include'}"]


class Report:
    """Collects outcomes; finish() prints the failed ones and the line that scripts/test adds up."""

    def __init__(self, title):
        self.title, self.passed, self.failed = title, 0, 0

    def add(self, name, ok, text=""):
        if ok:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED: {name}\n{text.rstrip()}\n", flush=True)

    def finish(self):
        total = self.passed + self.failed
        print(f"[{self.title}] test cases: {total} | {self.passed} passed | {self.failed} failed")
        return 1 if self.failed or not total else 0


def compilers(first):
    """The compiler of the build, and clang++-19 beside it where it is installed."""
    found = [first]
    clang = shutil.which("clang++-19")
    if clang is None:
        print("not built: clang++-19 (it is not installed)")
    elif Path(clang).resolve() != Path(shutil.which(first) or first).resolve():
        found.append("clang++-19")
    return found


def jobs():
    return int(os.environ.get("GRADCOMP_JOBS", 0)) or os.cpu_count() or 1


def compile_all(commands):
    """Runs {key: command}; returns {key: (exit status, output)}. Output has plain quotes and no colours."""
    environment = dict(os.environ, LC_ALL="C", GCC_COLORS="")

    def one(command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, errors="replace")
        except subprocess.TimeoutExpired:
            return 124, "the compiler was stopped after 300 seconds"
        return done.returncode, done.stdout + done.stderr

    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        return dict(zip(commands, pool.map(one, commands.values())))


def precompiled(compiler, header, flags, folder):
    """Flags, to stand in front of all others, with which sources that include <header> before anything else need not read it again. None where it does not
    compile: the sources then say why."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    clang = "clang" in version
    output = Path(folder) / ("clang" if clang else "gcc") / (header + (".pch" if clang else ".gch"))
    output.parent.mkdir(parents=True, exist_ok=True)
    flags = [flag for flag in flags if flag != "-fsyntax-only"]
    status, _ = compile_all({header: [compiler, *flags, "-x", "c++-header", str(ROOT / "include" / header), "-o", str(output)]})[header]
    if status != 0:
        return []
    return ["-include-pch", str(output)] if clang else [f"-I{Path(folder) / 'gcc'}"]


if __name__ == "__main__":
    sys.exit("this file is imported by the checks")
