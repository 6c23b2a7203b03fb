"""The interface of binaries: tests/abi.txt says which place every field of include/candor has, and every enumerator's number.

A line of it may be added (a field takes the place of some of `reserved`, whose length is not compared); none may change or go
without a new SOVERSION. `tests/abi.py --write` writes it anew, for review. 64-bit systems of Linux have one layout."""
import os
import re
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = os.path.join(ROOT, "include/candor")
RECORD = os.path.join(ROOT, "tests/abi.txt")
STRUCT = re.compile(r"^struct (candor_\w+) \{(.*?)^\};", re.S | re.M)
ENUM = re.compile(r"^enum ?\w* \{(.*?)\};", re.S | re.M)
FIELD = re.compile(r"\(\*(\w+)\)\(|(\w+)(?:\[[^;]*\])?;")


def text_of(header):
    with open(os.path.join(HEADERS, header), encoding="utf-8") as f:
        return re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)


def fields(body):
    for declaration in re.findall(r"[^;]+;", body, re.S):
        found = FIELD.search(declaration)
        yield found.group(1) or found.group(2)


def questions():
    """What to print: (name in the record, expression of C)."""
    for header in sorted(os.listdir(HEADERS)):
        text = text_of(header)
        for body in ENUM.findall(text):
            for name in re.findall(r"\b(CANDOR_\w+)\b(?=\s*(?:=[^,}]*)?(?:,|\s*$))", body):
                yield name, name
        for name, body in STRUCT.findall(text):
            yield f"{name}: bytes", f"sizeof(struct {name})"
            for field in fields(body):
                if field != "reserved":
                    yield f"{name}.{field}", f"offsetof(struct {name}, {field})"


def layout():
    headers = "".join(f"#include <candor/{header}>\n" for header in sorted(os.listdir(HEADERS)))
    prints = "".join(f'    printf("%s %lld\\n", "{name}", (long long)({expression}));\n' for name, expression in questions())
    with tempfile.TemporaryDirectory(prefix="candor-abi-") as folder:
        program = os.path.join(folder, "layout")
        subprocess.run(["cc", f"-I{ROOT}/include", "-x", "c", "-o", program, "-"], check=True, text=True,
                       input=f"{headers}#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{{\n{prints}    return 0;\n}}\n")
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    if struct.calcsize("P") != 8:
        return 77  # skipped
    now = layout()
    if "--write" in sys.argv:
        with open(RECORD, "w", encoding="utf-8") as f:
            f.write("\n".join(now) + "\n")
        return 0
    with open(RECORD, encoding="utf-8") as f:
        before = f.read().splitlines()
    for line in sorted(set(before) - set(now)):
        print(f"was {line}, and programs that were built rely on it")
    for line in sorted(set(now) - set(before)):
        print(f"not in tests/abi.txt (tests/abi.py --write): {line}")
    return 1 if set(now) != set(before) or len(now) < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
