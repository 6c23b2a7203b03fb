"""The transcripts of the documents are run: every `$ kvctl` line of their ```console blocks, in order, must print what stands below it.

Numbers, times, process ids and the run directory may differ; words may not.
"""
import os
import re
import shlex
import subprocess
import tempfile
import time
import unittest

from harness import BIN, ROOT, copy_on_free_ports, main

DOCUMENTS = ("README.md",)
PATIENCE_S = 20  # a state takes its time to show; the transcript's line is asked for again until it does


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blocks(path):
    text = read(path)
    return re.findall(r"```console\n(.*?)```", text, re.S)


def steps(path):
    """(command, expected output) pairs of a document, in order."""
    for block in blocks(path):
        command, expected = None, []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, expected
                command, expected = line[2:], []
            else:
                expected.append(line)
        if command:
            yield command, expected


def shape(text):
    """What must not differ."""
    text = re.sub(r"/tmp/\S+", "/PATH", text)
    text = re.sub(r"\d+(\.\d+)?(ms|s|m|h)?\b", "N", text)
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]


class Pictures(unittest.TestCase):
    def test_every_picture_is_shown_somewhere_and_is_there_for_light_and_dark_pages(self):
        shown = set()
        for folder, document in [("", "README.md"), *(("docs", name) for name in os.listdir(os.path.join(ROOT, "docs")))]:
            if document.endswith(".md"):
                links = re.findall(r'(?:src|srcset)="([^"]+\.svg)"', read(os.path.join(folder, document)))
                shown |= {os.path.normpath(os.path.join(folder, link)) for link in links}
        there = {os.path.join("docs/pictures", name) for name in os.listdir(os.path.join(ROOT, "docs/pictures"))
                 if name.endswith(".svg")}
        self.assertEqual(shown, there)
        self.assertEqual({name.replace("-light", "-dark") for name in there}, {name for name in there if "-dark" in name})


class Documents(unittest.TestCase):
    def run_document(self, path):
        with tempfile.TemporaryDirectory(prefix="candor-doc-") as home:
            # A run directory of its own, so that the document's cluster does not meet a user's; the example's ports are fixed.
            environment = dict(os.environ, XDG_RUNTIME_DIR=home, PATH=BIN + ":" + os.environ["PATH"])
            environment.pop("CANDOR_TOPOLOGY", None)
            try:
                for command, expected in steps(path):
                    self.run_step(command, expected, environment, home)
            finally:
                subprocess.run(["kvctl", "down"], cwd=home, env=environment, capture_output=True, check=False)

    def run_step(self, command, expected, environment, home):
        words = shlex.split(command)
        self.assertEqual(words[0], "kvctl", command)
        words = [re.sub(r"^examples/", ROOT + "/examples/", w) for w in words]
        if words[1] == "up":
            # The same file elsewhere, so that its data are made there, and on ports of its own.
            copied = os.path.join(home, os.path.basename(words[2]))
            copy_on_free_ports(words[2], copied)
            words[2] = copied
        end = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, timeout=60,
                                  check=False)
            # Progress on stderr is for a person who waits; the documents leave it out.
            notes = [line for line in done.stderr.splitlines() if " is ready (pid " not in line]
            got = shape(done.stdout + "\n".join(notes))
            if got == shape("\n".join(expected)):
                return
            if time.monotonic() > end or words[1] in ("up", "down"):
                self.fail(f"$ {command}\nprinted\n  " + "\n  ".join(got) + "\ninstead of\n  " +
                          "\n  ".join(shape("\n".join(expected))))

    def test_documents_tell_what_happens(self):
        for path in DOCUMENTS:
            with self.subTest(path):
                self.run_document(path)

    def test_what_is_written_instead_of_other_stores_commands_is_right(self):
        """Each `kvctl` line of the tables is taken as right, whatever then becomes of it: nobody is there."""
        with tempfile.TemporaryDirectory(prefix="candor-doc-") as home:
            copied = os.path.join(home, "shop.yaml")
            copy_on_free_ports(os.path.join(ROOT, "examples/topologies/three.yaml"), copied)
            for name, text in (("file", "v"), ("f.jsonl", '{"key": "k", "value": "v"}\n')):
                with open(os.path.join(home, name), "w", encoding="utf-8") as f:
                    f.write(text)
            environment = dict(os.environ, XDG_RUNTIME_DIR=home, XDG_CONFIG_HOME=home, CANDOR_TOPOLOGY=copied,
                               PATH=BIN + ":" + os.environ["PATH"])
            lines = re.findall(r"`(kvctl [^`]+)`", read("docs/from-other-stores.md"))
            self.assertGreater(len(lines), 40)
            for line in lines:
                words = line.partition(" ...")[0]
                if words in ("kvctl top", "kvctl watch", "kvctl watch p", "kvctl shell"):
                    continue  # they go on
                with self.subTest(line):
                    local = words.split()[1] in ("context", "completion", "help", "lpush")
                    done = subprocess.run(words + ("" if local or " -- " in words else " --deadline 100ms"), shell=True, cwd=home,
                                          env={**environment, "value": "v"}, input="\nget k\n", capture_output=True, text=True,
                                          timeout=60, check=False)
                    self.assertIn(done.returncode, (2,) if "lpush" in words else (2,) if words.startswith("kvctl del --prefix") else
                                  (0, 5), done)
                    if words.startswith("kvctl del --prefix"):
                        self.assertIn("give --yes", done.stderr)

    def test_links_lead_somewhere(self):
        for folder in (".", "docs", "bench", "clients/python", "tests/conformance"):
            for name in os.listdir(os.path.join(ROOT, folder)):
                if not name.endswith(".md"):
                    continue
                for link in re.findall(r"\]\(([^)#:]+)\)", read(os.path.join(folder, name))):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, folder, link)), f"{folder}/{name}: {link}")


if __name__ == "__main__":
    main()
