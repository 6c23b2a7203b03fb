"""Whoever waits holds nothing that others need: votes, attaches, reads that do not wait, and operators are served."""
import unittest
from collections import Counter

from crowd import LINEARIZABLE, MAJORITY, Crowd, session_ahead, status
from harness import Cluster, main, until

READERS = 400


class Doors(unittest.TestCase):
    def waits(self, address, count, what):
        until(lambda: status(address).waiting_calls == count, what)

    @staticmethod
    def primary_among(c, nodes):
        return any(c.status().get(node, {}).get("role") == "primary" for node in nodes)

    def test_an_election_does_not_wait_for_readers_that_wait_for_it(self):
        with Cluster(failover="automatic") as c:
            c.up().wait_fresh()
            primary = c.primary()
            c.kvctl("put", "k", "v", "--ack", "all")
            replicas = {n: a for n, a in c.addresses().items() if n != primary}
            crowds = [Crowd(a, session_ahead(a), READERS) for a in replicas.values()]
            for address in replicas.values():
                self.waits(address, READERS, "all readers wait")
            c.kill(primary)
            until(lambda: self.primary_among(c, replicas), "a replica is elected, though they wait for ten minutes")
            c.kvctl("put", "k", "w", "--ack", "majority")
            # Its record stands where their session would have gone on: they are told so, and not at their deadline.
            until(lambda: all(len(crowd.codes) == READERS for crowd in crowds), "the readers are answered")
            self.assertEqual({code for crowd in crowds for code in crowd.codes}, {"CODE_ABORTED"})
            for crowd in crowds:
                crowd.close()

    def test_a_thousand_writers_do_not_keep_out_the_replicas_that_they_wait_for(self):
        with Cluster() as c:
            c.up().wait_fresh()
            primary = c.primary()
            address = c.addresses()[primary]
            replicas = [n for n in c.nodes if n != primary]
            for node in replicas:
                c.kill(node)
            crowd = Crowd(address, MAJORITY, 1000)
            self.waits(address, 1000, "all writers wait")
            for node in replicas:
                c.start(node)
            c.wait_fresh()
            until(lambda: len(crowd.codes) == 1000, "all writers are answered")
            self.assertEqual(Counter(crowd.codes), {"CODE_OK": 1000})
            crowd.close()

    def test_two_thousand_who_wait_delay_nobody_and_leave_nothing(self):
        with Cluster() as c:
            c.up().wait_fresh()
            primary = c.primary()
            address = c.addresses()[primary]
            c.kvctl("put", "k", "v", "--ack", "all")
            for node in c.nodes:
                if node != primary:
                    c.kill(node)
            crowds = [Crowd(address, body, 1000) for body in (LINEARIZABLE, MAJORITY)]
            self.waits(address, 2000, "all wait")
            self.assertEqual(c.kvctl("get", "k", "--node", primary)[0].strip(), "v")
            self.assertEqual(c.status()[primary]["role"], "primary")
            c.kvctl("put", "other", "x", "--node", primary)
            self.assertEqual([len(crowd.codes) for crowd in crowds], [0, 0])
            for crowd in crowds:
                crowd.close()
            self.waits(address, 0, "the waits of callers that are gone end")
            self.assertEqual(status(address).cancelled_calls, 2000)


if __name__ == "__main__":
    main()
