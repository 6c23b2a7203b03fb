#!/usr/bin/env python3
"""Ports that tests draw are nobody else's until they end: the ground that every other test here stands on."""
import subprocess
import sys
import unittest

from harness import main
from ports import free_port, free_ports

DRAWS = f"import sys; sys.path.insert(0, {sys.path[0]!r}); from ports import *; print(*free_ports(600), flush=True); sys.stdin.read()"


class Ports(unittest.TestCase):
    def test_no_two_processes_hold_the_same(self):
        processes = [subprocess.Popen([sys.executable, "-c", DRAWS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True) for _ in range(3)]
        drawn = free_ports(600)
        for process in processes:
            drawn += map(int, process.stdout.readline().split())
        self.assertEqual((len(drawn), len(set(drawn))), (2400, 2400))
        for process in processes:
            process.communicate(timeout=60)

    def test_what_follows_from_a_port_is_held_too(self):
        first = free_port(steps=(1, 3))
        self.assertFalse({first, first + 1, first + 3} & set(free_ports(1000)))


if __name__ == "__main__":
    main()
