"""What a sample of perf was doing, told by its stack."""
import re

# In this order: the first that fits tells what it was doing. Of the kernel, any frame of the stack may fit.
KINDS = [
    ("kernel: TCP", r"^(__x64_sys_(sendmsg|sendto|write|writev|recvmsg|recvfrom|read|readv)|tcp_.*|ksys_(write|read))$"),
    ("kernel: waking and waiting (futex)", r"^(__x64_sys_futex|do_futex)$"),
    ("kernel: epoll", r"^(__x64_sys_epoll_.*|do_epoll_.*)$"),
    ("kernel: files", r"^(__x64_sys_(fdatasync|fsync|pwrite64|pwritev|pread64|msync|fallocate)|.*fsync.*)$"),
    ("kernel: page faults", r"^(asm_exc_page_fault|exc_page_fault)$"),
    ("kernel: scheduling", r"^(schedule|__schedule|ret_from_fork.*|sysvec_.*|asm_sysvec_.*|irqentry_.*|exit_to_user_mode.*)$"),
    ("memory (malloc, free)", r"^(_?_?(int_)?(malloc|free|calloc|realloc).*|unlink_chunk.*|tcache_.*|sysmalloc|malloc_.*)$"),
    ("copying and comparing bytes", r"^(__?mem(move|cpy|set|cmp)_?.*)$"),
    ("checksums", r"^(by_sse42|crc32c.*|XXH.*)$"),
    ("locks and conditions in user space", r"^(___?pthread_.*|pthread_.*|__lll_.*|__GI___pthread.*|__futex_.*|_?nni_plat_(mtx|cv).*)$"),
    ("NNG", r"^(nn[gi]_.*|rep0_.*|req0_.*|pub0_.*|sub0_.*|tcptran_.*|ipctran_.*)$"),
    ("LMDB", r"^mdb_.*$"),
    ("protobuf", r"^(protobuf_c_.*|candor__v1__.*|parse_.*|pack_.*|get_packed_.*|required_field_.*|scan_.*_data)$"),
]
LIBRARIES = [("liblmdb", "LMDB"), ("libprotobuf-c", "protobuf"), ("libxxhash", "checksums"), ("libc.so", "the C library's rest"),
             ("[vdso]", "clocks")]
KERNEL_OTHER, OWN = "kernel: other", "Candor's own code"


def in_kernel(file):
    return file.startswith("[kernel") or "/vmlinux" in file or file.endswith(".ko")


def kernel_kind(frames):
    for name, pattern in KINDS:
        if name.startswith("kernel") and any(in_kernel(file) and re.match(pattern, symbol) for symbol, file in frames):
            return name
    return KERNEL_OTHER


def kind_of(frames):
    """`frames`: (symbol, file), innermost first. What user code does is told by where it is, not by its callers."""
    if not frames:
        return OWN
    symbol, file = frames[0]
    if in_kernel(file):
        return kernel_kind(frames)
    for name, pattern in KINDS:
        if not name.startswith("kernel") and re.match(pattern, symbol):
            return name
    return next((name for library, name in LIBRARIES if library in file), OWN)
