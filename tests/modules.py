"""The shape of the code. Lines have at most 100 columns, comments and documents included. Who includes whom: checks that the
modules stand in the order of docs/architecture.md, each including only what stands above it and some nothing but
what is named here, that the picture of them shows that, that few know NNG, and that no files of a folder call each other in a circle.
What documents say of files: the tables of src/core and src/node have them all, and the walk of one Get and one Put names what is there.
Who assigns the phase of a core. `tests/modules.py --dot` gives the picture (docs/pictures/draw.py)."""
import collections
import ctypes
import html
import os
import re
import sys

COLUMNS = 100
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Of the table "The folders"; those of one line do not include each other.
ORDER = ["include", "base", "disk", "record", "topology", "log", "state", "eval", "core", "wire", "net", "rpc", "stream", "client",
         "node/shared", "node/store", "node/serve", "node/loop", "node",
         "cli/dynamic", "cli/faultproxy", "cli/frame", "cli/keys", "cli/cluster", "cli/local", "cli/tools", "cli", "cli/kvd", "cli/feed"]
# Some may include nothing but what is named here, whatever stands above them. kvctl and candor-feed are clients like any other: of
# libcandor they know the installed headers; beside them the helpers of base and disk, and topology, which reads the YAML.
PUBLIC = {"include", "base", "disk", "topology"}
COMMANDS = {"cli/dynamic", "cli/faultproxy", "cli/frame", "cli/keys", "cli/cluster", "cli/local", "cli/tools", "cli"}
ONLY = {
    "net": {"include", "base"},
    "stream": {"include", "base", "net"},
    "cli/dynamic": {"include", "base"},
    "cli/faultproxy": {"include", "base", "topology"},
    "cli/feed": PUBLIC,
    **{folder: PUBLIC | COMMANDS for folder in ("cli/frame", "cli/keys", "cli/cluster", "cli/local", "cli/tools", "cli")},
}
# Folders whose files must not call each other in a circle, either: a file here is x.c and x.h together.
ACYCLIC = COMMANDS | {"core", "net", "rpc", "stream", "node/shared", "node/store", "node/serve", "node/loop", "node", "cli/kvd", "cli/feed"}
# Folders that may include headers of NNG.
KNOW_NNG = {"net", "rpc", "stream"}
# A function that others may call, where it is defined: the name at the line's beginning but for its type, the body below it.
FUNCTION = re.compile(r'^(?!static\b|typedef\b|_Noreturn static\b)[A-Za-z_][\w *]*?\b(\w+)\([^;{}]*\)\n\{', re.M)
INCLUDE = re.compile(r'^#include ["<]([a-z_]+)/([^">]+)[">]', re.M)


def module_of(path):
    """Of a file, from the root of the tree; None: it is none of ours."""
    parts = path.split("/")
    if parts[0] == "include":
        return "include"
    if parts[0] == "src":
        return "/".join(parts[1:-1])
    if parts[0] == "cli":
        return "/".join(parts[:2]) if len(parts) > 2 else "cli"
    return None


def sources():
    for top in ("include", "src", "cli"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".def")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def included(first, rest):
    """The module that `#include "first/rest"` names."""
    if first == "candor":
        return None if rest.startswith("v1/") else "include"
    if first == "cli":
        return module_of(f"cli/{rest}")
    return module_of(f"src/{first}/{rest}") if os.path.isdir(os.path.join(ROOT, "src", first)) else None


def edges():
    """(from, to) -> the files that make it."""
    found = collections.defaultdict(list)
    for path in sources():
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            text = f.read()
        for first, rest in INCLUDE.findall(text):
            to = included(first, rest)
            if to is not None and to != module_of(path):
                found[module_of(path), to].append(f'{path}: "{first}/{rest}"')
    return found


def wrong(found):
    place = {module: i for i, module in enumerate(ORDER)}
    for (of, to), where in sorted(found.items()):
        if of not in place or to not in place:
            yield f"{of} -> {to}: a module that tests/modules.py does not know ({where[0]})"
        elif place[to] > place[of]:
            yield f"{of} includes {to}, which stands below it: {where[0]}"
        elif of in ONLY and to not in ONLY[of]:
            yield f"{of} includes {to}, and may include {', '.join(sorted(ONLY[of]))} alone: {where[0]}"
        yield from (f"{of} includes the inside of {to}: {one}" for one in where if one.endswith('internal.h"'))


def knows_nng():
    for path in sources():
        if module_of(path) not in KNOW_NNG and re.search(r"^#include <nng/", read(path), re.M):
            yield f"{path} includes NNG's headers: {', '.join(sorted(KNOW_NNG))} alone may"


def file_arrows(module):
    """file -> the files of the same module that it includes, or whose functions it calls; without their endings."""
    arrows = collections.defaultdict(set)
    code = {}
    for path in sources():
        if module_of(path) != module or path.endswith(".def"):
            continue
        file, ending = os.path.basename(path).rsplit(".", 1)
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            text = f.read()
        arrows[file] |= {os.path.basename(rest).rsplit(".", 1)[0] for first, rest in INCLUDE.findall(text)
                         if included(first, rest) == module}
        if ending == "c":
            code[file] = re.sub(r'/\*.*?\*/|"[^"\n]*"', "", text, flags=re.S)
    defined = {name: file for file, text in code.items() for name in FUNCTION.findall(text)}
    for file, text in code.items():
        arrows[file] |= {defined[name] for name in re.findall(r"\b(?<![.>])(\w+)\(", text) if name in defined}
    for file in arrows:
        arrows[file].discard(file)
    return arrows


def circle(arrows):
    """Files that include each other in a circle; None: there are none."""
    done = set()

    def walk(file, path):
        if file in path:
            return path[path.index(file):] + [file]
        if file in done:
            return None
        for other in sorted(arrows.get(file, ())):
            found = walk(other, path + [file])
            if found:
                return found
        done.add(file)
        return None

    for file in sorted(arrows):
        found = walk(file, [])
        if found:
            return found
    return None


def reduced(found):
    """Without the arrows that follow from others, for a picture that can be read."""
    below = collections.defaultdict(set)
    for of, to in found:
        below[of].add(to)

    def reach(module):
        return set().union(below[module], *(reach(other) for other in below[module]))

    return sorted((of, to) for of, to in found if not any(to in reach(other) for other in below[of] if other != to))


def dot(found):
    lines = ['digraph modules {', '  bgcolor="transparent"; rankdir=BT; nodesep=0.3; ranksep=0.4;',
             '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=15, fontcolor="$ink", color="$grid", '
             'fillcolor="$faint", margin="0.14,0.06"];', '  edge [color="$grid"];']
    lines += [f'  "{of}" -> "{to}";' for of, to in reduced(found)]
    return "\n".join(lines + ["}", ""])


def picture_differs(found):
    """The arrows of the committed pictures, against those of the sources."""
    for mode in ("light", "dark"):
        path = f"docs/pictures/modules-{mode}.svg"
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            titles = (html.unescape(title) for title in re.findall(r"<title>([^<]*)</title>", f.read()))
        drawn = {tuple(title.split("->")) for title in titles if "->" in title}
        for of, to in sorted(drawn ^ set(reduced(found))):
            yield f"{path}: {of} -> {to} is {'not so any more' if (of, to) in drawn else 'missing'}; draw it again"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def table_lacks(document, folder, files):
    """Files of `folder` that the document does not name, and those that it names and that are gone."""
    text = read(document)
    there = {os.path.basename(path) for path in files}
    yield from (f"{document}: {folder}/{name} has no place in its table" for name in sorted(there)
                if not re.search(rf"[`/]{name}`", text))
    rows = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    if folder == "src/node":
        named = set(re.findall(r"`(?:\w+/)?(\w+\.c)`", rows))
        yield from (f"{document}: {name} is gone" for name in sorted(named - there))


def walk_lost(document="docs/architecture.md"):
    """Functions of the walk that are not where it says."""
    walk = read(document).partition("## One Get and one Put")[2].partition("\n## ")[0]
    defined = collections.defaultdict(set)
    for path in sources():
        if path.endswith(".c"):
            for name in re.findall(r"^(?:static )?[A-Za-z_][\w *]*?\b(\w+)\([^;{}]*\)\n\{", read(path), re.M):
                defined[name].add(path)
    for name, place in re.findall(r"`(\w+)`(?:\s+\(`([\w/]+\.c)`\))?", walk):
        if "_" not in name:
            continue
        if name not in defined and not any(name in read(path) for path in sources() if path.endswith(".h")):
            yield f"{document}: the walk names {name}, which is gone"
        elif place and not any(path.endswith(place) for path in defined[name]):
            yield f"{document}: {name} is not in {place}"


def prose(path):
    """Numbered lines of a document but those that cannot be broken: of code, of tables, of HTML."""
    code = False
    for number, line in enumerate(read(path).splitlines(), 1):
        fence = line.lstrip().startswith("```")
        code ^= fence
        if not code and not fence and not line.lstrip().startswith(("|", "<")):
            yield number, line


def ours(*endings):
    """Files of the tree, from its root, without what was built and what is hidden."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith((".", "build"))]
        yield from (os.path.relpath(os.path.join(folder, name), ROOT) for name in sorted(names) if name.endswith(endings))


def too_wide():
    """Lines of code, of comments and of documents alike."""
    for path in ours(".c", ".h", ".proto", ".md"):
        lines = prose(path) if path.endswith(".md") else enumerate(read(path).splitlines(), 1)
        yield from (f"{path}:{number}: more than {COLUMNS} columns" for number, line in lines if len(line) > COLUMNS)


def names_clash():
    """External names: each is defined once, is none of libc's, and says of what it is. Of two that a program links,
    the linker takes one without a word."""
    libc = ctypes.CDLL(None)
    defined = collections.defaultdict(set)
    for path in sources():
        if path.endswith(".c"):
            for name in FUNCTION.findall(re.sub(r'/\*.*?\*/|"[^"\n]*"', "", read(path), flags=re.S)):
                defined[name].add(path)
    for name, paths in sorted(defined.items()):
        if name == "main":
            continue
        if len(paths) > 1:
            yield f"{name}() is defined in {' and in '.join(sorted(paths))}"
        if hasattr(libc, name):
            yield f"{min(paths)}: {name}() is a function of libc, too"
        if "_" not in name and name != os.path.basename(min(paths))[:-2]:
            yield f"{min(paths)}: {name}() has no prefix"


def phase_assigned():
    """A core's role changes in become.c alone, where what belonged to the old one is forgotten."""
    for path in sources():
        if path.startswith("src/core/") and path != "src/core/become.c" and re.search(r"\bphase\s*=(?!=)", read(path)):
            yield f"{path}: assigns `phase`; src/core/become.c does"


def unnamed():
    """Each file of code begins with what it is."""
    for path in ours(".c", ".h", ".def"):
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            if not f.readline().startswith("/* "):
                yield f"{path}: its first line does not say what it is"


def main():
    found = edges()
    if "--dot" in sys.argv:
        print(dot(found), end="")
        return 0
    problems = list(wrong(found))
    problems += knows_nng()
    for module in sorted(ACYCLIC):
        around = circle(file_arrows(module))
        if around:
            problems.append(f"{module}: files in a circle: {' -> '.join(around)}")
    problems += picture_differs(found)
    for document, folder in (("docs/architecture.md", "src/core"), ("src/node/README.md", "src/node")):
        problems += table_lacks(document, folder, [p for p in sources() if p.startswith(folder + "/") and p.endswith(".c")])
    problems += walk_lost()
    problems += too_wide()
    problems += phase_assigned()
    problems += unnamed()
    problems += names_clash()
    for problem in problems:
        print(problem)
    return 1 if problems or len(found) < len(ORDER) else 0


if __name__ == "__main__":
    sys.exit(main())
