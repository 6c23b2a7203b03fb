"""libcandor exports what include/candor declares, and nothing else, and calls nothing that ends its host's process or changes
what belongs to all of it: tests/exports.py build/lib

The list is src/client/candor.map: the shared library has its names, with their versions, the static one the same names."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = os.path.join(ROOT, "include/candor")
MAP = os.path.join(ROOT, "src/client/candor.map")


# abort() alone is there: for broken invariants, of this project and of NNG.
NOT_FOR_LIBRARIES = {"exit", "_exit", "_Exit", "quick_exit", "raise", "kill", "pthread_kill", "signal", "sigaction", "setrlimit",
                     "atexit", "fork", "execve", "setlocale", "chdir", "umask"}


def declared():
    names = set()
    for header in os.listdir(HEADERS):
        with open(os.path.join(HEADERS, header), encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$", "", f.read(), flags=re.S | re.M)
        text = re.sub(r"^static inline.*?^}", "", text, flags=re.S | re.M)
        text = re.sub(r"__attribute__\(\(.*?\)\)\s", "", text)
        names |= set(re.findall(r"^[a-z][\w \n*]*?\b(candor_\w+)\([^{}]*?\);", text, re.M))
    return names


def listed():
    """name@@VERSION of each."""
    with open(MAP, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    return {f"{name}@@{version}" for version, body in re.findall(r"(\w[\w.]*) \{(.*?)\}", text, re.S)
            for name in re.findall(r"(candor_\w+);", body)}


def exported(*command):
    """What is defined, with its version where it has one; names of versions left out."""
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {words[2] for words in map(str.split, lines) if len(words) == 3 and words[1] != "A"}


def differences(folder):
    with_versions = listed()
    names = {name.split("@@")[0] for name in with_versions}
    for what, has, wanted in (
            ("candor.map", names, declared()),
            ("libcandor.so", exported("nm", "-D", "--defined-only", os.path.join(folder, "libcandor.so")), with_versions),
            ("libcandor.a", exported("nm", "-g", "--defined-only", os.path.join(folder, "libcandor.a")), names)):
        for name in sorted(wanted - has):
            yield f"{what} lacks {name}"
        for name in sorted(has - wanted):
            yield f"{what} has {name}, which the others do not have"


def trespasses(folder):
    lines = subprocess.run(["nm", "-D", "--undefined-only", os.path.join(folder, "libcandor.so")], capture_output=True, text=True,
                           check=True).stdout.split()
    for name in sorted(NOT_FOR_LIBRARIES & {word.split("@")[0] for word in lines}):
        yield f"libcandor.so calls {name}()"


def main():
    found = [*differences(sys.argv[1]), *trespasses(sys.argv[1])]
    print("\n".join(found))
    return 1 if found or len(listed()) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
