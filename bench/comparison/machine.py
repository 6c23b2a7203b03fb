"""What it was measured on, and with."""
import os
import platform
import re
import shutil
import subprocess
import tempfile

from .measure import BIN, ROOT


def first_line(*command):
    if shutil.which(command[0]) is None:
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or ["?"])[0]


def field(path, pattern):
    with open(path) as f:
        found = re.search(pattern, f.read(), re.M)
    return found.group(1) if found else "?"


def revision():
    commit = first_line("git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=10")
    return f"{first_line(os.path.join(BIN, 'kvd'), '--version')}, commit {commit}, {os.path.basename(os.path.dirname(BIN))}"


def about(settings):
    memory = int(field("/proc/meminfo", r"^MemTotal:\s+(\d+)")) // 1024
    return {
        "processor": f"{os.cpu_count()} x {field('/proc/cpuinfo', r'^model name.*: (.*)$')}",
        "memory": f"{memory:,} MiB",
        "kernel": platform.release(),
        "system": field("/etc/os-release", r'^PRETTY_NAME="(.*)"'),
        "file system of the data": first_line("stat", "-f", "-c", "%T", tempfile.gettempdir()),
        "load before it began": " ".join(f"{x:.1f}" for x in os.getloadavg()),
        "Candor": revision(),
        "Redis": first_line("redis-server", "--version"),
        "etcd": first_line("etcd", "--version"),
        "Candor's settings": "default timers, `failover: automatic`, `durability: always`; `retention.log: 64MiB` where keys are counted",
        "Redis's settings": '`--save "" --appendonly yes --appendfsync always`, two replicas by `--replicaof`',
        "etcd's settings": "defaults, `--quota-backend-bytes` 8 GiB",
        "keys and values": f"{settings.keys:,} keys of 16 bytes (where no other number is named), drawn evenly; values of {settings.value} bytes",
        "rounds": f"{settings.rounds}, of {settings.seconds} s each kind of work",
    }
