"""kvctl rpc and kvctl topology, as somebody uses them who writes a client or a topology."""
import base64
import json
import os
import subprocess
import tempfile
import unittest

from harness import KVCTL, Cluster, main


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Rpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.up().wait_fresh()

    def rpc(self, *args, status=0, input=None):
        return self.cluster.json("rpc", *args, status=status, input=input)

    def refused(self, *args, status=2):
        out, err = self.cluster.kvctl("rpc", *args, status=status)
        self.assertEqual(out, "")
        return err

    def test_a_write_and_a_read_in_json(self):
        put = self.rpc("KV/Put", json.dumps({"key": b64("k"), "value": b64("v")}))
        self.assertEqual((put["code"], put["freshness"]["role"]), ("OK", "ROLE_PRIMARY"))
        self.assertEqual(put["response"]["ack"], "ACK_LEVEL_LOCAL")
        got = self.rpc("/candor.v1.KV/Get", "-", input=json.dumps(
            {"key": b64("k"), "options": {"level": "READ_LEVEL_EVENTUAL"}}))
        self.assertEqual(got["response"]["item"]["value"], b64("v"))
        self.assertEqual(got["response"]["item"]["mod_seq"], put["response"]["pos"]["seq"])
        self.assertEqual(got["response"]["item"]["mod_seq"], self.cluster.get("k")["mod_seq"])  # of one type everywhere
        self.assertIsInstance(got["freshness"]["token"]["pos"]["seq"], int)
        self.assertIsInstance(got["freshness"]["epoch"]["term"], int)
        self.assertIsInstance(got["freshness"]["token"]["cluster_id"], str)  # all of 64 bits, and not a count

    def test_an_empty_request_and_a_node(self):
        for node in "abc":
            self.assertEqual(self.rpc("Status", "--node", node)["response"]["node"], node)

    def test_a_nodes_refusal_is_an_answer_with_its_status(self):
        done = self.rpc("Put", json.dumps({"key": b64("k"), "value": ""}), "--node", "b", status=4)
        self.assertEqual((done["code"], done["reason"]), ("FAILED_PRECONDITION", "NOT_PRIMARY"))
        self.assertEqual(done["retry"]["primary"], "a")
        self.assertIsNone(done["response"])
        done = self.rpc("Get", "{}", status=2)
        self.assertEqual(done["code"], "INVALID_ARGUMENT")

    def test_mistakes_are_named(self):
        self.assertIn("did you mean 'key'?", self.refused("Get", '{"kay":""}'))
        self.assertIn("options.level: candor.v1.ReadLevel has no value 'X'",
                      self.refused("Get", '{"options":{"level":"X"}}'))
        self.assertIn("line 1, column", self.refused("Get", '{"key":'))
        self.assertIn("did you mean '/candor.v1.KV/Get'?", self.refused("Gett"))
        self.assertIn("missing METHOD", self.refused())
        self.assertIn("base64", self.refused("Get", '{"key":"%"}'))

    def test_what_a_node_serves_can_be_looked_up(self):
        methods = {m["method"]: m for m in self.rpc("--list")["methods"]}
        self.assertIn("/candor.v1.Replication/Fetch", methods)
        self.assertEqual(methods["/candor.v1.KV/Get"]["input"], "candor.v1.GetRequest")
        text, _ = self.cluster.kvctl("rpc", "--list")
        for line in text.splitlines():  # a comment is shown up to the end of its first sentence
            self.assertTrue("//" not in line or line.endswith("."), line)
        self.assertRegex(text, r"(?m)^  Transfer .*  // The primary that is asked .*; no MAJORITY write fails \(R26\)\.$")
        shape = self.rpc("--describe", "KV/Put")
        self.assertEqual(shape["example"]["options"]["ack"], "ACK_LEVEL_DEFAULT")
        self.assertIn("durable on the primary", json.dumps(shape["enums"]))
        text, _ = self.cluster.kvctl("rpc", "--describe", "KV/Get")
        self.assertIn("message candor.v1.Epoch {", text)
        self.assertIn("// id of the node that is primary in this epoch", text)

    def test_every_example_is_taken(self):
        for method in self.rpc("--list")["methods"]:
            if method["method"].split("/")[-1] in ("Promote", "AcceptHistory", "TransferLeadership"):
                continue  # these do something
            if "/candor.v1.Cluster/" in method["method"] and method["input"].endswith(
                    ("VoterRequest", "MemberRequest")):
                continue
            with self.subTest(method["method"]):
                shape = self.rpc("--describe", method["method"])
                out, err = self.cluster.kvctl("rpc", method["method"], json.dumps(shape["example"]),
                                              "-o", "json", status=(0, 1, 2, 4, 5, 6))
                self.assertNotIn("kvctl rpc --describe", err)
                self.assertIn("code", json.loads(out), err)

    def test_nobody_there(self):
        done = subprocess.run([KVCTL, "rpc", "Get", "--endpoint", "tcp://127.0.0.1:1", "-d", "1s"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout), (5, ""))


class Topology(unittest.TestCase):
    def topology(self, command, text=None, *args, status=0):
        with tempfile.TemporaryDirectory(prefix="candor-test-") as folder:
            path = os.path.join(folder, "t.yaml")
            if text is not None:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            operands = [path] if command != "reference" else []
            done = subprocess.run([KVCTL, "topology", command, *operands, *args], capture_output=True,
                                  text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done)
        return done, path

    GOOD = """cluster: good
failover: manual
initial_primary: a
nodes:
  - {id: a, rpc: tcp://127.0.0.1:7000, stream: tcp://127.0.0.1:7001, data: a}
"""

    def test_every_problem_is_told_at_once_with_its_place(self):
        bad = self.GOOD.replace("failover", "failovr").replace("7001", "70010")
        done, path = self.topology("check", bad, status=2)
        self.assertIn(f"{path}:2:1: error: unknown key 'failovr'; did you mean 'failover'?", done.stdout)
        self.assertIn(f"{path}:5:", done.stdout)
        self.assertIn("2 errors", done.stdout)
        done, _ = self.topology("check", bad, "-o", "json", status=2)
        told = json.loads(done.stdout)
        self.assertEqual((told["good"], told["errors"]), (False, 2))
        self.assertEqual((told["problems"][0]["line"], told["problems"][0]["column"]), (2, 1))

    def test_a_good_one_is_said_to_be_good_and_drawn(self):
        done, path = self.topology("check", self.GOOD)
        self.assertEqual(done.stdout, f"{path}: good: cluster good, 1 node\n")
        self.assertIn("│", self.topology("show", self.GOOD)[0].stdout)
        shown = json.loads(self.topology("show", self.GOOD, "-o", "json")[0].stdout)
        self.assertEqual(shown["nodes"][0]["heartbeat"], "tcp://127.0.0.1:7002")
        self.assertEqual(shown["nodes"][0]["peer"], "tcp://127.0.0.1:7003")
        whole = self.topology("show", self.GOOD, "--yaml")[0].stdout
        self.assertIn("heartbeat_interval: 100ms", whole)
        self.topology("check", whole)

    def test_a_missing_file_and_the_reference(self):
        self.assertIn("No such file", self.topology("check", status=2)[0].stderr)
        self.topology("show", status=2)
        self.assertIn("| `stale_after` |", self.topology("reference")[0].stdout)


if __name__ == "__main__":
    main()
