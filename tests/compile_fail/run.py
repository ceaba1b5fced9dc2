#!/usr/bin/env python3
"""Runs the compile-fail cases: tests/compile_fail/*.cpp.

A case holds one or more lines `// EXPECT: <part of a sentence>`. With -DGRADCOMP_FAIL it must not compile and the compiler
must say every expected part; without it, one token apart, it must compile.
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "checks"))
from report import FLAGS, Report, compile_all, compilers, precompiled

DOOR = "gradcomp/gradcomp.hpp"


def squeeze(text):
    """One space for any white space: a compiler may break a long sentence over lines."""
    return re.sub(r"\s+", " ", text.replace("‘", "'").replace("’", "'"))


def first_include(path):
    """The header that a case includes before anything else, in angle brackets; what a macro changes before it may change the header."""
    found = re.search(r'^\s*#\s*(?:include\s*<([^>]+)>|\w+)', path.read_text(), re.MULTILINE)
    return found.group(1) if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    options = parser.parse_args()

    report = Report("compile_fail")
    expected, commands = {}, {}
    for case in sorted(HERE.glob("*.cpp")):
        text = case.read_text()
        expected[case.name] = re.findall(r"^\s*//\s*EXPECT:\s*(.+?)\s*$", text, re.MULTILINE)
        well_formed = bool(expected[case.name]) and "GRADCOMP_FAIL" in text
        if not well_formed:
            report.add(case.name, False, "needs a line `// EXPECT: <sentence>` and a part under #ifdef GRADCOMP_FAIL")
    # The sentences are what is tested; warnings are tested where the headers are.
    flags = [*FLAGS, "-w", "-fmessage-length=0", "-DGRADCOMP_ONE_ISA"]
    with tempfile.TemporaryDirectory() as folder:
        for compiler in compilers(options.compiler):
            door = precompiled(compiler, DOOR, flags, folder)
            for name in expected:
                base = [compiler, *(door if first_include(HERE / name) == DOOR else []), *flags, str(HERE / name)]
                commands[name, compiler, "fails"] = [*base, "-DGRADCOMP_FAIL"]
                commands[name, compiler, "twin"] = base
        results = compile_all(commands)

    for (name, compiler, kind), (status, output) in results.items():
        label = f"{name} with {compiler}"
        if kind == "twin":
            report.add(f"{label}: the twin compiles", status == 0, output)
        elif status in (0, 124):
            report.add(f"{label}: must not compile", False, output or "it compiled")
        else:
            missing = [part for part in expected[name] if squeeze(part) not in squeeze(output)]
            report.add(f"{label}: says why", not missing, f"not said: {missing}\n{output[:4000]}")
    if not expected:
        print("no compile-fail cases yet")
        print("[compile_fail] test cases: 0 | 0 passed | 0 failed")
        return 0
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
