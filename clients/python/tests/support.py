"""What the tests share: the package and the harness of clusters are importable after this."""

import os
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(PACKAGE))
sys.path[:0] = [os.path.join(PACKAGE, "src"), os.path.join(ROOT, "tests/cluster")]

TRANSPORTS = ("socket", "nng")


def endpoints(cluster):
    return list(cluster.addresses().values())
