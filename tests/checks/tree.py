#!/usr/bin/env python3
"""Rules of the source tree: includes point downhill, headers are short and introduced, CUDA's macros stay in two files."""
import re
import sys

sys.dont_write_bytecode = True
from report import ROOT, Report

# A room includes itself and the rooms of lower levels; rooms of one level never include each other.
LEVELS = [["core"], ["theory", "exec"], ["comm"], ["compress", "memory", "reduce", "optim", "observe", "state"], ["stack"],
          ["policy_stack.hpp"], ["gradcomp.hpp", "nccl.hpp"], ["cuda.cuh"]]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
CUDA_MACROS = re.compile(r"__CUDACC__|__CUDA_ARCH__")
CUDA_FILES = {"core/config.hpp", "core/scalar.hpp"}
MAX_LINES = 300


def uphill(name, text):
    """The includes of a header that the order of the rooms forbids, each as a sentence."""
    room = name.split("/")[0]
    if room not in LEVEL:
        return [f"{room} has no place in the order of rooms; give it one in tests/checks/tree.py"]
    wrong = []
    for line in re.findall(r"^\s*#\s*include\s*(.+?)\s*$", text, re.MULTILINE):
        ours = re.match(r"<gradcomp/([^>]+)>", line)
        if line.startswith('"'):
            wrong.append(f"#include {line}: write <gradcomp/room/file.hpp>")
        elif ours:
            target = ours.group(1).split("/")[0]
            if not (ROOT / "include/gradcomp" / ours.group(1)).is_file():
                wrong.append(f"#include {line}: no such header")
            elif target != room and LEVEL.get(target, len(LEVELS)) >= LEVEL[room]:
                wrong.append(f"#include {line}: {room} may not know {target}")
    return wrong


def introduced(name, text):
    lines = text.count("\n")
    wrong = [] if "@file" in text else ["has no @file sentence"]
    if lines > MAX_LINES:
        wrong.append(f"has {lines} lines, more than {MAX_LINES}")
    if name.endswith(".hpp") and "#pragma once" not in text:
        wrong.append("has no #pragma once")
    return wrong


def cuda_macros(name, text):
    if name in CUDA_FILES or not CUDA_MACROS.search(text):
        return []
    return [f"asks for CUDA's macros; only {' and '.join(sorted(CUDA_FILES))} may"]


def code(text):
    """Without comments that document, empty lines and trailing blanks."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("///"))


def blocks(page):
    """The C++ blocks of a Markdown page."""
    return re.findall(r"^```cpp\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def readme_programs():
    """The complete programs in README.md that are no example in examples/, which the tests build and run."""
    readme = ROOT / "README.md"
    if not readme.is_file():
        return ["README.md is missing"]
    examples = [code(path.read_text()) for path in (ROOT / "examples").glob("*.cpp")]
    return [f"this program is no file in examples/:\n{block}" for block in blocks(readme.read_text()) if "int main" in block and code(block) not in examples]


def page_files():
    """The blocks of docs/write_a_compressor.md that are not, word for word, the files that the tests compile."""
    files = ["examples/ternary.hpp", "tests/conformance/compressors_own_test.cpp", "examples/add_compressor.cpp"]
    page = (ROOT / "docs/write_a_compressor.md").read_text()
    found = blocks(page)
    wrong = [] if len(found) == len(files) else [f"docs/write_a_compressor.md has {len(found)} blocks instead of {len(files)}"]
    return wrong + [f"docs/write_a_compressor.md differs from {name}" for name, block in zip(files, found) if (ROOT / name).read_text() != block]


def self_test(report):
    """The rules find what they forbid."""
    report.add("an uphill include is found", uphill("core/a.hpp", "#include <gradcomp/core/config.hpp>\n") == []
               and uphill("theory/a.hpp", "#include <gradcomp/core/config.hpp>\n") == [] and uphill("nowhere/a.hpp", "") != []
               and uphill("core/a.hpp", '#include "config.hpp"\n') != [] and uphill("core/a.hpp", "#include <gradcomp/none.hpp>\n") != []
               and LEVEL["exec"] == LEVEL["theory"] < LEVEL["comm"] < LEVEL["memory"] == LEVEL["compress"] < LEVEL["stack"])
    report.add("a long header is found", introduced("core/a.hpp", "/// @file A.\n#pragma once\n") == []
               and introduced("core/a.hpp", "/// @file A.\n#pragma once\n" + "\n" * MAX_LINES) != [] and introduced("core/a.hpp", "") != [])
    report.add("a CUDA macro is found", cuda_macros("core/view.hpp", "#ifdef __CUDACC__") != []
               and cuda_macros("core/config.hpp", "#ifdef __CUDACC__") == [])


def main():
    report = Report("tree")
    self_test(report)
    base = ROOT / "include/gradcomp"
    for path in sorted(p for p in base.rglob("*") if p.is_file()):
        name, text = path.relative_to(base).as_posix(), path.read_text()
        wrong = uphill(name, text) + introduced(name, text) + cuda_macros(name, text)
        report.add(f"include/gradcomp/{name}", not wrong, "\n".join(wrong))
    wrong = readme_programs()
    report.add("the README's programs are tested examples", not wrong, "\n".join(wrong))
    wrong = page_files()
    report.add("the page that writes a compressor shows tested files", not wrong, "\n".join(wrong))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
