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


def chains(contained):
    """The headers in as few and as cheap lists as there can be, each including all that stand before it in its list.

    What stands before a header is then nothing that it does not include itself, so in one source a chain shows of each of them what a source of
    its own would. A header saves its own source where one follows it: a matching, the widest headers first.
    """
    after, before = {}, {}

    def follow(header, asked):
        for wider in candidates[header]:
            if wider not in asked:
                asked.add(wider)
                if wider not in before or follow(before[wider], asked):
                    after[header], before[wider] = wider, header
                    return True
        return False

    candidates = {h: [w for w in sorted(contained) if h in contained[w] and w not in contained[h]] for h in contained}
    for header in sorted(contained, key=lambda h: (-len(contained[h]), h)):
        follow(header, set())
    lists = []
    for header in sorted(set(contained) - set(before)):
        chain = [header]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        lists.append(chain)
    return lists


def twice(names, build):
    """A source that includes each header, and at once again."""
    source = build / (names[-1].replace("/", "_") + f".{len(names)}.cpp")
    source.write_text("".join(f"#include <{name}>\n#include <{name}>\n" for name in names))
    return str(source)


PLACE_FLAGS = [flag for place in PLACES if place.is_dir() for flag in ("-isystem", str(place))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--build", type=Path, required=True, help="folder for the generated files")
    options = parser.parse_args()
    options.build.mkdir(parents=True, exist_ok=True)

    report, left_out, commands, alone = Report("headers"), set(), {}, {}
    for compiler in compilers(options.compiler):
        missing = missing_libraries(compiler, options.build)
        contained = {}
        for header in sorted((ROOT / "include").rglob("*.hpp")):
            name = header.relative_to(ROOT / "include").as_posix()
            names = included(name)
            foreign = names & set(FOREIGN)
            if foreign & missing:
                left_out.add(f"not built: <{name}> (no {FOREIGN[sorted(foreign & missing)[0]]})")
                continue
            contained[name] = names
        for chain in chains(contained):
            flags = PLACE_FLAGS if contained[chain[-1]] & set(FOREIGN) else []
            command = [compiler, *FLAGS, *flags, "-Werror", "-fno-rtti"]
            commands[tuple(chain), compiler] = [*command, twice(chain, options.build)]
            alone.update({(name, compiler): [*command, twice([name], options.build)] for name in chain})
    for line in sorted(left_out):
        print(line)

    outcome = compile_all(commands)
    again = {key: alone[key] for (chain, compiler), (status, _) in outcome.items() if status != 0 for key in [(name, compiler) for name in chain]}
    singly = compile_all(again)
    for (chain, compiler), (status, output) in outcome.items():
        if status != 0 and all(singly[name, compiler][0] == 0 for name in chain):
            report.add(f"{chain} in one source with {compiler}", False, output)
        for name in chain:
            result, text = singly.get((name, compiler), (0, ""))
            report.add(f"<{name}> alone with {compiler}", result == 0, text)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
