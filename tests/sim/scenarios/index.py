#!/usr/bin/python3
"""The index in README.md: one line a scenario, its first comment. Without an argument it is checked; --write writes it."""

import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- index -->\n", "<!-- end of the index -->\n"


def title(scenario):
    first = scenario.read_text().splitlines()[0]
    if not re.fullmatch(r"# \S.*\.", first):
        sys.exit(f"{scenario}:1: begins with '{first}', not with a title such as '# An election.'")
    return first[2:]


def main():
    readme = HERE / "README.md"
    text = readme.read_text()
    lines = [textwrap.fill(f"- [{path.stem}]({path.name}): {title(path)}", 100, subsequent_indent="  ", break_on_hyphens=False) + "\n"
             for path in sorted(HERE.glob("*.txt"))]
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    wanted = head + BEGIN + "\n" + "".join(lines) + "\n" + END + tail
    if "--write" in sys.argv:
        readme.write_text(wanted)
    elif text != wanted:
        sys.exit("the index is not that of the scenarios: tests/sim/scenarios/index.py --write")


main()
