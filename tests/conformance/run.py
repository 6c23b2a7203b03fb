"""Drives a client through the behaviours (README.md).

    run.py [--only NAME] [--keep-going] -- DRIVER ARGUMENTS...
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import threading

import yaml
from fake_node import HANDSHAKE, FakeNode
from messages import long_text
from script import Ids

HERE = os.path.dirname(os.path.abspath(__file__))
ANSWER_S = 60  # a driver that says nothing for so long has failed


class Failed(Exception):
    pass


class Loader(yaml.SafeLoader):
    """true and false are the only booleans: `no` is a word."""


Loader.yaml_implicit_resolvers = {
    letter: [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


# ---- Behaviours ----------------------------------------------------------------------------------


def substituted(value, case):
    """`$name` becomes what the case has for it, of its own type where it stands alone."""
    if isinstance(value, dict):
        return {substituted(k, case): substituted(v, case) for k, v in value.items()}
    if isinstance(value, list):
        return [substituted(one, case) for one in value]
    if isinstance(value, str) and value.startswith("$") and value[1:] in case:
        return case[value[1:]]
    return value


def behaviours(only):
    """(name, behaviour), each case of a file by itself."""
    for path in sorted(glob.glob(os.path.join(HERE, "behaviours", "*.yaml"))):
        name = os.path.basename(path).removesuffix(".yaml")
        with open(path, encoding="utf-8") as f:
            document = yaml.load(f, Loader)
        for case in document.pop("cases", [{}]):
            full = " ".join([name, *(str(one) for one in case.values() if isinstance(one, (str, int)))])
            if not only or only in full:
                yield full, substituted(document, case)


# ---- Answers -------------------------------------------------------------------------------------


def unlike(answer, wanted, path="answer"):
    """Where `answer` is not what is wanted; what is not named may be anything."""
    if isinstance(wanted, dict) and set(wanted) <= {"least", "most", "matches", "one_of"} and wanted:
        if "one_of" in wanted and answer not in wanted["one_of"]:
            yield f"{path} is {answer!r}, none of {wanted['one_of']}"
        if "matches" in wanted and not re.search(wanted["matches"], str(answer)):
            yield f"{path} is {answer!r}, which does not match {wanted['matches']!r}"
        if "least" in wanted and not (answer is not None and answer >= wanted["least"]):
            yield f"{path} is {answer!r}, not at least {wanted['least']}"
        if "most" in wanted and not (answer is not None and answer <= wanted["most"]):
            yield f"{path} is {answer!r}, not at most {wanted['most']}"
    elif isinstance(wanted, dict):
        if not isinstance(answer, dict):
            yield f"{path} is {answer!r}, not an object"
            return
        for name, value in wanted.items():
            yield from unlike(answer.get(name), value, f"{path}.{name}")
    elif isinstance(wanted, list):
        if not isinstance(answer, list) or len(answer) != len(wanted):
            yield f"{path} is {answer!r}, not {len(wanted)} elements"
            return
        for index, value in enumerate(wanted):
            yield from unlike(answer[index], value, f"{path}[{index}]")
    elif answer != wanted or type(answer) is not type(wanted):
        yield f"{path} is {answer!r}, not {wanted!r}"


# ---- The driver ----------------------------------------------------------------------------------


class Driver:
    """The program under test: one JSON command a line, one JSON answer a line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.can = set(self.ask({"op": "hello"})["can"])

    def ask(self, command):
        watchdog = threading.Timer(ANSWER_S, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if not line:
            raise SystemExit(f"the driver ended, or said nothing for {ANSWER_S} s, at {command}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=ANSWER_S)


def addressed(value, nodes):
    """`@a` is the endpoint of node a."""
    if isinstance(value, list):
        return [addressed(one, nodes) for one in value]
    if isinstance(value, dict):
        return {name: addressed(one, nodes) for name, one in value.items()}
    if isinstance(value, str) and value.startswith("@") and value[1:] in nodes:
        return nodes[value[1:]].endpoint
    return value


def kept(value, memory):
    """`%name` is what an answer had that was kept under this name."""
    value = long_text(value)
    if isinstance(value, dict):
        return {name: kept(one, memory) for name, one in value.items()}
    if isinstance(value, str) and value.startswith("%"):
        return memory[value[1:]]
    return value


def carry_out(driver, behaviour, nodes):
    hidden = {name for name, of in behaviour.get("settings", {}).items() if of.get("endpoint") is False}
    options = {"endpoints": [f"@{name}" for name in nodes if name not in hidden], "deadline_ms": 5000,
               **behaviour.get("open", {})}
    memory = {}
    opened = driver.ask({"op": "open", **addressed(options, nodes)})
    if not opened.get("ok"):
        raise Failed(f"open: {opened}")
    for number, step in enumerate(behaviour["do"]):
        if not set(step) <= {"command", "answer", "keep"}:
            raise KeyError(f"do: {', '.join(step)}")
        answer = driver.ask(kept(step["command"], memory))
        problems = list(unlike(answer, kept(step.get("answer", {"ok": True}), memory)))
        if problems:
            told = [problem for node in nodes.values() for problem in node.problems]
            raise Failed(f"command {number + 1}, {step['command']}:\n    " + "\n    ".join(
                [*problems, f"the answer: {answer}", *told]))
        for name, field in step.get("keep", {}).items():
            memory[name] = answer[field]


def check(driver, behaviour):
    """Raises Failed where the client does not behave so."""
    ids, settings = Ids(), behaviour.get("settings", {})
    nodes = {}
    for name, script in behaviour["nodes"].items():
        of_node = settings.get(name, {})
        nodes[name] = FakeNode(name, script, ids, of_node.get("listens", True),
                               bytes.fromhex(of_node["handshake"]) if "handshake" in of_node else HANDSHAKE)
    for node in nodes.values():
        node.endpoints = {name: one.endpoint for name, one in nodes.items()}
    try:
        carry_out(driver, behaviour, nodes)
        problems = [problem for node in nodes.values() for problem in node.problems]
        problems += [f"node {name} was not asked for {step}" for name, node in nodes.items()
                     for step in node.left()]
        if problems:
            raise Failed("; ".join(problems))
    finally:
        driver.ask({"op": "close"})
        for node in nodes.values():
            node.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="behaviours whose name has this in it")
    parser.add_argument("driver", nargs="+")
    arguments = parser.parse_args()
    driver = Driver(arguments.driver)
    passed, failed, skipped = 0, 0, 0
    for name, behaviour in behaviours(arguments.only):
        missing = set(behaviour.get("needs", [])) - driver.can
        if missing:
            skipped += 1
            print(f"skip {name}: the client has no {', '.join(sorted(missing))}")
            continue
        try:
            check(driver, behaviour)
            passed += 1
        except Failed as failure:
            failed += 1
            print(f"FAIL {name}: {behaviour.get('about', '')}\n  {failure}")
    driver.close()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
