"""What the newer clients of the chaos run write down: all that they did, and as it was. Without faults, so that it is known."""
import itertools
import os
import tempfile
import unittest

from chaos_bundles import FULL, Bundler, all_bundlers
from chaos_checks import check_processes, history_lines, run_checker
from chaos_clients import ERA_S
from chaos_history import Shared
from chaos_library import LibraryClients
from harness import Cluster, main, until

STALE_AFTER_MS = 400


class ChaosClients(unittest.TestCase):
    eras = itertools.count(step=100)

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(stale_after=f"{STALE_AFTER_MS}ms"))
        cls.cluster.up().wait_fresh()
        cls.endpoints = {n: a.removeprefix("tcp://") for n, a in cls.cluster.addresses().items()}
        cls.primary = cls.cluster.primary()

    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="candor-chaos-"))
        self.shared = Shared(directory, self.endpoints, STALE_AFTER_MS)
        self.shared.started -= next(self.eras) * ERA_S  # keys that no other test has written

    def lines(self, *paths):
        return [line for line in history_lines(paths) if "op" in line]

    def test_clients_of_the_library_write_down_every_kind_of_operation(self):
        library = LibraryClients(self.shared, 7, 200)
        library.start()
        until(lambda: os.path.exists(library.path) and os.path.getsize(library.path) > 1 << 20, "1 MiB of history")
        library.stop()  # judges that nothing is missing
        lines = self.lines(library.path)
        check_processes([library.path])
        run_checker([library.path])
        self.assertGreater(len({line["process"] for line in lines}), 250)
        self.assertTrue(all("freshness" in line for line in lines if line["outcome"] == "ok"))

    def bundler(self):
        return all_bundlers(self.shared, 7)[0]

    def ended(self, bundler):
        """Its lines, judged."""
        bundler.caller.close()
        check_processes([bundler.caller.path])
        run_checker([bundler.caller.path])
        return self.lines(bundler.caller.path)

    def calls(self, bundler):
        return [getattr(bundler, lane.kind)(lane, False) for lane in bundler.lanes]

    def test_each_call_of_a_bundle_is_an_operation_of_its_own_at_whichever_node(self):
        bundler = self.bundler()
        for endpoint in self.endpoints.values():  # most are redirected
            bundler.caller.perform(self.calls(bundler), endpoint)
        lines = self.ended(bundler)
        self.assertEqual(len(lines), len(self.endpoints) * len(Bundler.KINDS))
        self.assertEqual({line["process"] for line in lines}, {lane.name for lane in bundler.lanes})
        for line in lines:
            self.assertEqual(line["outcome"], "ok", line)
            self.assertIn("freshness", line)
            self.assertIn("pos", line)

    def test_a_reply_that_found_no_room_is_asked_for_again(self):
        bundler = self.bundler()
        bundler.caller.perform(self.calls(bundler), self.endpoints[self.primary], None, FULL)
        self.assertGreater(self.shared.outcomes[("bundle", "BUNDLE_FULL")], 0)
        self.assertEqual({line["outcome"] for line in self.ended(bundler)}, {"ok"})

    def test_writes_whose_connection_ended_may_have_happened(self):
        bundler = self.bundler()
        bundler.caller.leave(self.calls(bundler), self.endpoints[self.primary])
        for line in self.ended(bundler):
            self.assertEqual(line["outcome"], "fail" if line["op"] == "get" else "unknown", line)

    def test_a_lane_without_a_token_of_its_own_reads_from_that_of_its_bundle(self):
        bundler = self.bundler()
        lane = next(lane for lane in bundler.lanes if lane.kind == "session")
        key = bundler.key("ses", 1)
        put = bundler.put(lane, key, "local")
        bundler.caller.perform([put], self.endpoints[self.primary])
        read = bundler.read(lane, key, "session")
        read.request.options.ClearField("token")
        other = next(node for node in self.endpoints if node != self.primary)
        bundler.caller.perform([read], self.endpoints[other], lane)
        wrote, saw = self.ended(bundler)
        self.assertEqual((saw["outcome"], saw["value"], saw["pos"]), ("ok", wrote["value"], wrote["pos"]))


if __name__ == "__main__":
    main()
