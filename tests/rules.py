"""The table of docs/rules.md: the mutations in its last column come from the simulators' own lists.

    tests/rules.py            checks that the document and the lists agree, and that each rule is in the table
    tests/rules.py --write    writes the mutations into the table
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(ROOT, "docs/rules.md")
LISTS = (("sim", "src/core/mutations.def"), ("sim", "tests/sim/mutations.def"), ("storage", "tests/storage/mutations.def"))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def mutations():
    """{rule: {"sim": [name], "storage": [name]}}; those of no rule stand under ""."""
    found = {}
    for simulator, path in LISTS:
        for name, rules in re.findall(r'MUTATION\(\w+, "(\w+)", "([^"]*)"', read(path)):
            for rule in rules.split(", "):
                found.setdefault(rule, {}).setdefault(simulator, []).append(name)
    return found


def column(of_rule, rest):
    parts = [simulator + " " + ", ".join(f"`{name}`" for name in names) for simulator, names in of_rule.items()]
    return "; ".join(parts + ([rest] if rest else []))


def written(text, found):
    """The document as it should be, and the rules that its table has."""
    lines, rules = [], []
    for line in text.splitlines():
        row = re.match(r"\| ((?:R\d+(?:, )?)+) (.*?) \| (.*?) \| (.*) \|$", line)
        if row:
            named = row.group(1).split(", ")
            rules += named
            of_row = {}
            for rule in named:
                for simulator, names in found.get(rule, {}).items():
                    of_row.setdefault(simulator, []).extend(n for n in names if n not in of_row.get(simulator, []))
            parts = [p for p in row.group(4).split("; ") if not re.match(r"(sim|storage) `", p)]
            line = f"| {row.group(1)} {row.group(2)} | {row.group(3)} | {column(of_row, '; '.join(parts))} |"
        lines.append(line)
    return "\n".join(lines) + "\n", rules


def main():
    found = mutations()
    text = read(TABLE)
    wanted, rules = written(text, found)
    if sys.argv[1:] == ["--write"]:
        with open(TABLE, "w", encoding="utf-8") as f:
            f.write(wanted)
        return 0
    problems = []
    if wanted != text:
        problems.append("docs/rules.md does not have the mutations of the lists: run tests/rules.py --write")
    of_protocol = set(re.findall(r"^- (R\d+)\.", read("docs/protocol.md"), re.M))
    not_built = set(re.findall(r"^- (R\d+)\. \([^)]*not built", read("docs/protocol.md"), re.M))
    problems += [f"docs/rules.md has no row of {rule}" for rule in sorted(of_protocol - not_built - set(rules))]
    problems += [f"{rule}, of mutation {list(found[rule].values())[0][0]}, is no rule of docs/protocol.md"
                 for rule in sorted(set(found) - of_protocol - {""})]
    problems += [f"docs/rules.md does not name mutation {name}" for names in found.get("", {}).values()
                 for name in names if f"`{name}`" not in text]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
