#!/usr/bin/env python3
"""Every header compiles alone, twice included, without warnings, without RTTI, with each compiler."""
import argparse
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from report import FLAGS, ROOT, Report, compile_all, compilers


# Headers that need another library, by its header, and what that library is called; and where its headers may be besides the system's folders.
FOREIGN = {"nccl.h": "NCCL", "cuda_runtime.h": "the CUDA runtime", "mpi.h": "MPI"}
PLACES = [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include"]
PLACES += [Path(prefix) / "include" for prefix in re.split("[:;]", os.environ.get("CMAKE_PREFIX_PATH", "")) if prefix]


def included(header, seen=None):
    """All that a header includes, its own and foreign headers, directly or not."""
    seen = set() if seen is None else seen
    for name in re.findall(r"^\s*#\s*include\s*<([^>]+)>", (ROOT / "include" / header).read_text(), re.MULTILINE):
        if name not in seen:
            seen.add(name)
            if name.startswith("gradcomp/"):
                included(name, seen)
    return seen


def missing_libraries(compiler, build):
    """The foreign headers that the compiler does not find."""
    commands = {}
    for header in FOREIGN:
        source = build / f"has_{header}.cpp"
        source.write_text(f"#include <{header}>\n")
        commands[header] = [compiler, *FLAGS, *PLACE_FLAGS, str(source)]
    return {header for header, (status, _) in compile_all(commands).items() if status != 0}


PLACE_FLAGS = [flag for place in PLACES if place.is_dir() for flag in ("-isystem", str(place))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--build", type=Path, required=True, help="folder for the generated files")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)

    commands = {}
    left_out = set()
    for compiler in compilers(options.compiler):
        missing = missing_libraries(compiler, options.build)
        for header in sorted((ROOT / "include").rglob("*.hpp")):
            name = header.relative_to(ROOT / "include").as_posix()
            foreign = included(name) & set(FOREIGN)
            if foreign & missing:
                left_out.add(f"not built: <{name}> (no {FOREIGN[sorted(foreign & missing)[0]]})")
                continue
            source = options.build / (name.replace("/", "_") + ".cpp")
            source.write_text(f"#include <{name}>\n#include <{name}>\n")
            commands[f"<{name}> alone with {compiler}"] = [compiler, *FLAGS, *(PLACE_FLAGS if foreign else []), "-Werror", "-fno-rtti", str(source)]
    for line in sorted(left_out):
        print(line)

    report = Report("headers")
    for name, (status, output) in compile_all(commands).items():
        report.add(name, status == 0, output)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
