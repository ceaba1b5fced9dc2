#!/usr/bin/env python3
"""The stacks on the pages of docs/methods compile as they stand there, and every page says what a page of a method says."""
import argparse
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from report import FLAGS, ROOT, Report, compile_all

# What the pages take for granted.
BEFORE = """#include <gradcomp/gradcomp.hpp>
#include <gradcomp/observe/moments.hpp>
namespace gc = gradcomp;
"""
FUNCTION = """void page_{number}(gc::comm::in_process communicator, const gc::tensor_list& tensors, std::span<float> parameters)
{{
    [[maybe_unused]] const auto rank = static_cast<std::size_t>(communicator.rank());
    [[maybe_unused]] constexpr std::size_t samples = 1000;
#line 1 "{name}"
{code}
    exchange.step(std::span<const float>(parameters), 0.1);
}}
"""
PARTS = ["Source: ", "Cost: ", "When: "]


def blocks(text):
    """The indented blocks of a page."""
    return re.findall(r"(?:^    .*\n)+(?:^\s*\n(?:^    .*\n)+)*", text, re.MULTILINE)


def stack_of(text):
    """The one block that is a program, or None."""
    programs = [block for block in blocks(text) if "gc::policy_stack" in block]
    return programs[0] if len(programs) == 1 else None


def complaints(text):
    wrong = [f"has no line that starts with '{part}'" for part in PARTS if not re.search("^" + re.escape(part), text, re.MULTILINE)]
    if not text.startswith("# "):
        wrong.append("does not start with its name")
    if stack_of(text) is None:
        wrong.append("must have one indented block with a gc::policy_stack")
    elif not re.search(r"^    (?!.*gc::)", "".join(blocks(text)[:1]), re.MULTILINE):
        wrong.append("must start with its update rule, before the stack")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--build", type=Path, default=ROOT / "build/checks/pages")
    options = parser.parse_args()

    report = Report("pages")
    good = "# A\n\n    x <- x - g\n\nSource: b\n\n    gc::policy_stack s{};\n\nCost: c\n\nWhen: d\n"
    report.add("what a page lacks is found", complaints(good) == [] and all(complaints(good.replace(part, "")) for part in PARTS + ["gc::policy_stack", "# A"]))
    options.build.mkdir(parents=True, exist_ok=True)
    source, program = options.build / "pages.cpp", BEFORE
    pages = sorted((ROOT / "docs/methods").glob("*.md"))
    for number, page in enumerate(pages):
        text = page.read_text()
        wrong = complaints(text)
        report.add(f"docs/methods/{page.name}", not wrong, "\n".join(wrong))
        if stack_of(text) is not None:
            program += FUNCTION.format(number=number, name=page.name, code=stack_of(text))
    source.write_text(program)
    flags = [flag for flag in FLAGS if flag != "-Wshadow"]
    status, output = compile_all({"pages": [options.compiler, *flags, "-DGRADCOMP_ONE_ISA", str(source)]})["pages"]
    report.add(f"the stacks of {len(pages)} pages compile", status == 0 and "warning" not in output, output)
    index = (ROOT / "docs/README.md").read_text()
    missing = [page.name for page in pages if f"methods/{page.name}" not in index]
    report.add("docs/README.md names every page", not missing, ", ".join(missing))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
