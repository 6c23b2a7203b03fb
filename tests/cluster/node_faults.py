"""Faults of a node's clock and disk: what preload_faults.c, preloaded into kvd, is told to do."""
import ctypes
import mmap
import os

from harness import BIN, Cluster

LIBRARY = os.path.join(BIN, "preload_faults.so")


# What `hang` makes of a node's threads; it ends with the process. As enum hang has it.
NODE_IN_LOCK, NODE_SPINS, WRITER_IN_LOCK = 1, 2, 3


class Control(ctypes.Structure):
    """One node's faults, shared with its process. As `struct control` in preload_faults.c has it."""

    _fields_ = [("rate_ppm", ctypes.c_int64), ("sync_delay_ms", ctypes.c_uint64), ("full", ctypes.c_uint64),
                ("real_ns", ctypes.c_uint64), ("own_ns", ctypes.c_uint64),
                ("slow_syncs", ctypes.c_uint64), ("refused_writes", ctypes.c_uint64),
                ("hang", ctypes.c_uint64)]

    def heal(self):
        self.rate_ppm = self.sync_delay_ms = self.full = 0


def make_control(directory, node):
    path = os.path.join(directory, node)
    with open(path, "wb") as f:
        f.truncate(ctypes.sizeof(Control))
    with open(path, "r+b") as f:
        return Control.from_buffer(mmap.mmap(f.fileno(), 0))


def environment(directory):
    """Of a process that obeys its node's control in `directory`; processes of no node are not disturbed."""
    options = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    return {**os.environ, "LD_PRELOAD": LIBRARY, "CANDOR_FAULTS": directory, "ASAN_OPTIONS": options}


class FaultyCluster(Cluster):
    """`controls` maps the ids of its nodes to their faults."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        directory = os.path.join(self.dir, "faults")
        os.mkdir(directory)
        self.environment = environment(directory)
        self.controls = {node: make_control(directory, node) for node in self.nodes}
