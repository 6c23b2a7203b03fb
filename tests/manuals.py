"""The man pages that docs/manuals has made: mandoc finds nothing to complain of, each command and each function has one, and
they say what the help says. tests/manuals.py build"""
import json
import os
import re
import subprocess
import sys

from exports import declared

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def words(text):
    """What must be equal: not where lines break, nor how a dash or a bullet is drawn."""
    return re.findall(r"\w+", text)


def shown(page):
    return words(re.sub(".\b", "", output_of("mandoc", "-T", "utf8", "-O", "width=500", page)))


def holds(page_words, text_words):
    """Whether the text stands there, its words next to each other."""
    joined = " ".join(page_words)
    return f" {' '.join(text_words)} " in f" {joined} "


def complaints(folder):
    for section in sorted(os.listdir(folder)):
        place = os.path.join(folder, section)
        for name in sorted(os.listdir(place)) if os.path.isdir(place) else []:
            path = os.path.join(place, name)
            if not os.path.exists(path):
                yield f"{path} leads nowhere"
            elif not os.path.islink(path):
                yield from output_of("mandoc", "-T", "lint", "-W", "warning", path).splitlines()


def missing(build):
    kvctl, folder = os.path.join(build, "bin/kvctl"), os.path.join(build, "man")
    commands = json.loads(output_of(kvctl, "help", "-o", "json"))["commands"]
    for name in (command["command"] for command in commands):
        page = os.path.join(folder, "man1", f"kvctl-{name.replace(' ', '-')}.1")
        if not os.path.exists(page):
            yield f"kvctl {name} has no page"
            continue
        about = json.loads(output_of(kvctl, "help", *name.split(), "-o", "json"))
        there = shown(page)
        for text in [about["summary"], *re.split(r"\n\n", about["description"]), *(o["help"] for o in about["options"])]:
            if not holds(there, words(text)):
                yield f"{page} does not say: {text}"
    for function in declared():
        if not os.path.exists(os.path.join(folder, "man3", function + ".3")):
            yield f"{function}() has no page"
    for page in ("man1/kvctl.1", "man8/kvd.8", "man8/candor-feed.8", "man5/candor-topology.5", "man3/libcandor.3"):
        if len(shown(os.path.join(folder, page))) < 200:
            yield f"{page} says little"


def main():
    build = sys.argv[1]
    found = [*complaints(os.path.join(build, "man")), *missing(build)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
