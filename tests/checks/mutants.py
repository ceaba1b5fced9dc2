#!/usr/bin/env python3
"""Seeded mistakes in what decodes: one program holds all of them, each switched on by a number, and the tests must catch every one."""
import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from report import ROOT, Report, jobs

# Header, some text that occurs there once, the expression in it (all of it, where None), and what the expression becomes.
MUTANTS = [
    ("core/frame.hpp", "i < bytes.size(); ++i) crc = crc >> 8", "i < bytes.size()", "i + 1 < bytes.size()"),
    ("core/frame.hpp", "if (value != wanted)", "value != wanted", "value > wanted"),
    ("core/frame.hpp", "header.version, expected", "header.version", "expected.version"),
    ("core/frame.hpp", "header.element, expected", "header.element", "expected.element"),
    ("core/frame.hpp", "header.kind, expected", "header.kind", "expected.kind"),
    ("core/frame.hpp", "header.tensors, expected", "header.tensors", "expected.tensors"),
    ("core/frame.hpp", "header.step, expected", "header.step", "expected.step"),
    ("core/frame.hpp", "header.bytes, expected", "header.bytes", "expected.bytes"),
    ("core/frame.hpp", "crc != header.payload_crc", None, "false"),
    ("core/frame.hpp", "frame.size() != sizeof(frame_header) + expected.bytes", None, "frame.size() < sizeof(frame_header)"),
    ("core/message_file.hpp", "got != bytes", None, "got == 0 && bytes > 0"),
    ("core/message_file.hpp", "from.peek() != std::ifstream::traits_type::eof()", None, "false"),
    ("core/layout.hpp", "segments_[middle].first <= index", None, "segments_[middle].first < index"),
    ("core/index_code.hpp", "bool wrong = places[to - 1] >= form.size - base", "places[to - 1] >= form.size - base", "places[to - 1] > form.size - base"),
    ("core/index_code.hpp", "wrong |= places[j] <= places[j - 1]", "places[j] <= places[j - 1]", "places[j] < places[j - 1]"),
    ("core/index_code.hpp", "std::size_t j = from + 1; j < to", "from + 1", "from + 2"),
    ("core/index_code.hpp", "counts[tile] > count - sum", None, "counts[tile] > count"),
    ("core/index_code.hpp", "form.tiles > 0 && sum != count", None, "false"),
    ("core/index_code.hpp", "run(places, tile * index_tile, from, to)", "tile * index_tile", "std::size_t{0}"),
    ("core/index_code.hpp", "std::min(behind, end)", None, "behind"),
    ("core/index_code.hpp", "at[b] != std::byte{0}", None, "false"),
    ("core/codes.hpp", "x >= scale_limits<T>::least && x <=", "x >= scale_limits<T>::least", "x > T(0)"),
    ("core/codes.hpp", "x <= scale_limits<T>::most", None, "x > T(0)"),
    ("core/coded_form.hpp", "(bytes + 15) / 16 * 16", None, "(bytes + 7) / 8 * 8"),
    ("core/coded_form.hpp", "packed_bytes(where.segments[s].size, bits)", None, "where.segments[s].size"),
    ("core/sign_code.hpp", "is_scale(wire[0])", None, "true"),
    ("core/sign_code.hpp", "return with_sign(scale, code, 0); }\n};\nstatic_assert(tile_code<sign_code", "with_sign(scale, code, 0)", "scale"),
    ("exec/cpu/code_engines.hpp", "!code.valid(wire + j)", None, "false"),
    ("exec/cpu/code_engines.hpp", "j < form.parameters", None, "j + 1 < form.parameters"),
    ("exec/cpu/decode_tiles.hpp", "(base + at) / from.bucket", None, "base / from.bucket"),
    ("exec/cpu/pack.hpp", "static_cast<Store>(held & mask)", "held & mask", "held"),
    ("exec/cpu/indexed_messages.hpp", "message, index, form(n).kept);", "form(n).kept", "form(n).kept - (form(n).kept > 0)"),
    ("exec/cpu/indexed_messages.hpp", "check_indices(form(n), form(n).kept, indices(n, index), where.selections[n].payload)", None, "void()"),
    ("exec/cpu/late_choice.hpp", "count[n] > s.kept", None, "false"),
    ("exec/cpu/late_choice.hpp", "bits_of(message[j]) != 0", None, "false"),
    ("exec/cpu/block_norms.hpp", "numbers_.check(team, blocks_, number)", None, "void()"),
    ("compress/by_tensor.hpp", "part.check(executor, message + at)", "message + at", "message"),
    ("compress/by_tensor.hpp", "check_zeros(executor, message, at + part.bytes()", "at + part.bytes()", "at + padded(part.bytes())"),
    ("compress/cast.hpp", "sent < one", None, "true"),
    ("compress/chain.hpp", "sparse_.check(executor, engine_.plain())", None, "void()"),
    ("compress/min_max.hpp", "wire[1] <= most / static_cast<T>(levels) * T(2.000001)", None, "true"),
    ("compress/natural.hpp", "return (code & none) == none", "(code & none) == none", "false"),
    ("compress/qsgd.hpp", "static_cast<std::int32_t>(code) - levels", None, "static_cast<std::int32_t>(code) - levels + 1"),
]
TESTS = ["main.cpp", "fuzz/decoders_test.cpp", "core/frame_test.cpp", "core/message_file_test.cpp", "core/index_code_test.cpp", "core/layout_test.cpp", "compress/sign_test.cpp",
         "compress/late_choice_test.cpp", "compress/by_tensor_test.cpp"]
SWITCH = """#pragma once
#include <cstdlib>
inline int mutant_now() { static const int n = std::getenv("GRADCOMP_MUTANT") ? std::atoi(std::getenv("GRADCOMP_MUTANT")) : 0; return n; }
constexpr bool is_mutant(int n) { return !__builtin_is_constant_evaluated() && mutant_now() == n; }
"""


def plant(folder):
    """Writes the library with every mistake in it, each behind its number. Returns what was not found once."""
    include = folder / "include"
    shutil.rmtree(include, ignore_errors=True)
    shutil.copytree(ROOT / "include", include)
    texts, missing = {}, []
    for number, (name, context, old, new) in enumerate(MUTANTS, 1):
        text = texts.setdefault(name, (ROOT / "include/gradcomp" / name).read_text())
        old = old or context
        if text.count(context) != 1 or context.count(old) != 1:
            missing.append(f"{name}: {context}")
            continue
        texts[name] = text.replace(context, context.replace(old, f"(is_mutant({number}) ? ({new}) : ({old}))"))
    for name, text in texts.items():
        (include / "gradcomp" / name).write_text(text)
    (include / "mutant.hpp").write_text(SWITCH)
    return missing


def build(folder, compiler):
    """The program with all mistakes. Returns its path and, where it does not compile, what the compiler says."""
    flags = ["-std=c++20", "-O1", "-w", "-DGRADCOMP_ONE_ISA", f"-DGRADCOMP_TEST_TREE=\"{ROOT}\"", f"-I{folder / 'include'}", f"-I{ROOT / 'tests'}",
             "-include", "mutant.hpp"]

    def one(test):
        target = folder / (test.replace("/", "_") + ".o")
        return target, subprocess.run([compiler, *flags, "-c", str(ROOT / "tests" / test), "-o", str(target)], capture_output=True, text=True)

    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        done = list(pool.map(one, TESTS))
    for _, result in done:
        if result.returncode != 0:
            return None, result.stderr[-3000:]
    program = folder / "mutants"
    linked = subprocess.run([compiler, *(str(target) for target, _ in done), "-o", str(program), "-pthread"], capture_output=True, text=True)
    return (program, "") if linked.returncode == 0 else (None, linked.stderr[-3000:])


def passes(program, number):
    """Whether the tests pass with one mistake switched on; one that runs away is caught, too."""
    environment = dict(os.environ, GRADCOMP_MUTANT=str(number))
    try:
        return subprocess.run([program, "--abort-after=1"], capture_output=True, timeout=60, env=environment).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--build", default=str(ROOT / "build/checks/mutants"))
    options = parser.parse_args()
    folder = Path(options.build)
    folder.mkdir(parents=True, exist_ok=True)
    report = Report("mutants")
    missing = plant(folder)
    report.add("every mistake has its place", not missing, "\n".join(missing))
    program, wrong = build(folder, options.compiler)
    report.add("the program with mistakes compiles", program is not None, wrong)
    if program is not None:
        report.add("without a mistake all tests pass", passes(program, 0))
        for number, (name, _, old, new) in enumerate(MUTANTS, 1):
            report.add(f"mistake {number} is caught", not passes(program, number), f"{name}: {old or MUTANTS[number - 1][1]} became {new}, and no test noticed")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
