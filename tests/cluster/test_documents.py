"""The transcripts of the documents are run: every `$` line of their ```console blocks, in order, must print what stands below it. What
ends with `&` runs on until the document ends. A ```yaml block whose first line is `# NAME.yaml` is that file.

Numbers, times, process ids and the run directory may differ; words may not.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import BIN, ROOT, copy_on_free_ports, free_port, main, until
from nats_server import held

PROGRAMS = ("kvctl", "candor-feed", "nats-server")
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


class Running:
    """One document's commands, in a directory of its own."""

    def __init__(self, path, home):
        self.home = home
        # A run directory of its own, so that the document's cluster does not meet a user's; the example's ports are fixed.
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=home, XDG_CONFIG_HOME=home,
                                PATH=f"{BIN}:{os.environ['PATH']}:/usr/sbin")
        self.environment.pop("CANDOR_TOPOLOGY", None)
        self.background = []
        self.nats_port = str(free_port())
        shutil.copytree(os.path.join(ROOT, "examples/topologies"), os.path.join(home, "examples/topologies"))
        for block in re.findall(r"```yaml\n(.*?)```", read(path), re.S):
            if name := re.match(r"# (\w+\.yaml)\n", block):
                with open(os.path.join(home, name[1]), "w", encoding="utf-8") as f:
                    f.write(block)

    def here(self, command):
        return command.replace(":4222", ":" + self.nats_port).replace("--port 4222", "--port " + self.nats_port)

    def start(self, command, expected):
        """What goes on; judged by what it prints at first."""
        with tempfile.NamedTemporaryFile("w", dir=self.home, delete=False) as out:
            process = subprocess.Popen(["bash", "-c", "exec " + self.here(command)], cwd=self.home, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        self.background.append(process)
        until(lambda: shape(read(out.name)) == expected or process.poll() is not None, f"{command} prints {expected}", PATIENCE_S)
        if process.poll() is not None:
            raise AssertionError(f"$ {command}\nended with status {process.returncode}")

    def run(self, command):
        """What it printed."""
        if up := re.match(r"kvctl up (\S+)", command):
            path = os.path.join(self.home, up[1])
            copy_on_free_ports(path, path)  # as it is used from here on
        done = subprocess.run(self.here(command), shell=True, cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        # Progress on stderr is for a person who waits; the documents leave it out.
        notes = [line for line in done.stderr.splitlines() if " is ready (pid " not in line]
        return shape(done.stdout + "\n".join(notes))

    def close(self):
        for process in reversed(self.background):
            process.terminate()
            process.wait(60)
        run = os.path.join(self.home, "candor")
        for cluster in os.listdir(run) if os.path.isdir(run) else []:
            subprocess.run(["kvctl", "down", cluster], cwd=self.home, env=self.environment, capture_output=True, check=False)


class Documents(unittest.TestCase):
    def run_document(self, path, then=lambda running: None):
        with tempfile.TemporaryDirectory(prefix="candor-doc-") as home:
            running = Running(path, home)
            try:
                for command, expected in steps(path):
                    self.run_step(running, command, shape("\n".join(expected)))
                then(running)
            finally:
                running.close()

    def run_step(self, running, command, expected):
        self.assertIn(command.split()[0], PROGRAMS, command)
        if command.endswith(" &"):
            running.start(command[:-2], expected)
            return
        end = time.monotonic() + PATIENCE_S
        while (got := running.run(command)) != expected:
            if time.monotonic() > end or command.startswith(("kvctl up", "kvctl down")):
                self.fail(f"$ {command}\nprinted\n  " + "\n  ".join(got) + "\ninstead of\n  " + "\n  ".join(expected))

    def test_the_readme_tells_what_happens(self):
        self.run_document("README.md")

    def test_past_one_group_tells_what_happens_and_what_the_stream_then_holds(self):
        path, nats = "docs/past-one-group.md", []
        rows = re.findall(r"^\| `(shop\.\S+)` \| `(\w+)` \| ?`?(\w*)`? \|(?: `Nats-Msg-Id: (\S+)`)?",
                          read(path), re.M)
        self.assertGreater(len(rows), 4)
        self.run_document(path, lambda running: nats.append(until(
            lambda: (there := held(running.nats_port, "ORDERS")) and len(there) >= len(rows) and there, "the messages", PATIENCE_S)))
        self.assertEqual([(m.subject, m.kind, m.payload.decode(), m.id or "") for m in nats[0] if m.kind not in ("resume", "progress")], rows)

    def test_every_header_of_a_feed_is_in_its_table(self):
        sent = set()
        for name in os.listdir(os.path.join(ROOT, "cli/feed")):
            sent |= set(re.findall(r'"((?:Candor|Nats-Msg)-[\w-]+)"', read(os.path.join("cli/feed", name))))
        self.assertEqual(sent, set(re.findall(r"`((?:Candor|Nats-Msg)-[\w-]+)`", read("docs/past-one-group.md"))))

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
