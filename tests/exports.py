"""libcandor.a exports what include/candor declares, and nothing else: tests/exports.py build/lib/libcandor.a"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = os.path.join(ROOT, "include/candor")


def declared():
    names = set()
    for header in os.listdir(HEADERS):
        with open(os.path.join(HEADERS, header), encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$", "", f.read(), flags=re.S | re.M)
        text = re.sub(r"^static inline.*?^}", "", text, flags=re.S | re.M)
        text = re.sub(r"__attribute__\(\(.*?\)\)\s", "", text)
        names |= set(re.findall(r"^[a-z][\w \n*]*?\b(candor_\w+)\([^{}]*?\);", text, re.M))
    return names


def exported(library):
    lines = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[2] for line in lines.splitlines() if len(line.split()) == 3}


def main():
    wanted, there = declared(), exported(sys.argv[1])
    for name in sorted(wanted - there):
        print(f"{name}() is declared in include/candor, and the library does not have it")
    for name in sorted(there - wanted):
        print(f"{name} is exported, and no header of include/candor declares it")
    return 1 if wanted != there or len(wanted) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
