#!/usr/bin/env python3
"""Every header compiles alone, twice included, without warnings, without RTTI, with each compiler."""
import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from report import FLAGS, ROOT, Report, compile_all, compilers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--build", type=Path, required=True, help="folder for the generated files")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)

    commands = {}
    for compiler in compilers(options.compiler):
        for header in sorted((ROOT / "include").rglob("*.hpp")):
            name = header.relative_to(ROOT / "include").as_posix()
            source = options.build / (name.replace("/", "_") + ".cpp")
            source.write_text(f"#include <{name}>\n#include <{name}>\n")
            commands[f"<{name}> alone with {compiler}"] = [compiler, *FLAGS, "-Werror", "-fno-rtti", str(source)]

    report = Report("headers")
    for name, (status, output) in compile_all(commands).items():
        report.add(name, status == 0, output)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
