"""The table of docs/rules.md: the mutations in its last column come from the simulators' own lists. And the table "Inside the
core" of docs/architecture.md: its last column comes from docs/rules.md.

    tests/rules.py            checks that the documents, the lists and the code agree: each rule is in the table, the files that keep
                              it are there and name it, each file of the core is in its table
    tests/rules.py --write    writes the mutations into the one table, the rules into the other
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(ROOT, "docs/rules.md")
CORE_TABLE = os.path.join(ROOT, "docs/architecture.md")
ROW = re.compile(r"\| ((?:R\d+(?:, )?)+) (.*?) \| (.*?) \| (.*) \|$")
CORE_ROW = re.compile(r"\| `([a-z_]+\.c)` \| (.*?) \| (.*)\|$", re.M)
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
        row = ROW.match(line)
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


def kept_in(text):
    """{file, from the root: the rules that it keeps}, in the order of the table."""
    keepers = {}
    for row in filter(None, map(ROW.match, text.splitlines())):
        for file in re.findall(r"`([^`]+)`", row.group(3)):
            path = file if file.startswith("cli/") else f"src/{file}"
            keepers.setdefault(path, []).extend(row.group(1).split(", "))
    return keepers


def named_in(path):
    """The rules that a file names, or its header."""
    header = re.sub(r"\.c$", ".h", path)
    text = read(path) + (read(header) if os.path.isfile(os.path.join(ROOT, header)) else "")
    spans = (range(int(first), int(last) + 1) for first, last in re.findall(r"\bR(\d+)(?:-| to )R(\d+)\b", text))
    return set(re.findall(r"\bR\d+\b", text)) | {f"R{number}" for span in spans for number in span}


def not_kept(keepers, text):
    for path in keepers:
        if not os.path.isfile(os.path.join(ROOT, path)):
            yield f"docs/rules.md names {path}, which is not there"
    for row in filter(None, map(ROW.match, text.splitlines())):
        rules = row.group(1).split(", ")
        files = [path for path in kept_in(row.group(0)) if os.path.isfile(os.path.join(ROOT, path))]
        named = {path: named_in(path) for path in files}
        yield from (f"docs/rules.md: {path} keeps {row.group(1)}, and does not name it" for path in files
                    if not named[path] & set(rules))
        yield from (f"docs/rules.md: none of the files that keep {rule} names it" for rule in rules
                    if not any(rule in names for names in named.values()))


def core_written(text, keepers):
    """docs/architecture.md as it should be, and the files of its table "Inside the core"."""
    start = text.index("\n## Inside the core\n")
    end = text.index("\n## ", start + 1)

    def row(found):
        rules = sorted(set(keepers.get(f"src/core/{found.group(1)}", [])), key=lambda rule: int(rule[1:]))
        return f"| `{found.group(1)}` | {found.group(2)} | {', '.join(rules) + ' ' if rules else ''}|"

    table = text[start:end]
    return text[:start] + CORE_ROW.sub(row, table) + text[end:], [found.group(1) for found in CORE_ROW.finditer(table)]


def wrong_files_of_core(named):
    there = {name for name in os.listdir(os.path.join(ROOT, "src/core")) if name.endswith(".c")}
    yield from (f"docs/architecture.md has no row of src/core/{name}" for name in sorted(there - set(named)))
    yield from (f"docs/architecture.md has a row of src/core/{name}, which is not there" for name in sorted(set(named) - there))


def main():
    found = mutations()
    text = read(TABLE)
    wanted, rules = written(text, found)
    keepers = kept_in(text)
    core_text = read(CORE_TABLE)
    core_wanted, core_files = core_written(core_text, keepers)
    if sys.argv[1:] == ["--write"]:
        for path, content in ((TABLE, wanted), (CORE_TABLE, core_wanted)):
            with open(path, "w", encoding="utf-8") as f:
                f.write(content)
        return 0
    problems = []
    if wanted != text:
        problems.append("docs/rules.md does not have the mutations of the lists: run tests/rules.py --write")
    if core_wanted != core_text:
        problems.append("docs/architecture.md does not have the rules of docs/rules.md: run tests/rules.py --write")
    problems += [*not_kept(keepers, text), *wrong_files_of_core(core_files)]
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
