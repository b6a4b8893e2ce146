"""What a SharedCgroup promises, as a program: it runs here, and in a guest with cgroup2 only."""

import os
import subprocess

import memcg

MIB = 1 << 20
FILL = ("python3", "-c", "print(len(bytearray(b'x') * (64 << 20)))")


def check():
    """What runs in a part of it is charged to the whole, which has a limit; all go away."""
    shared = memcg.SharedCgroup("test-shared")
    part = memcg.MemoryCgroup("test-part", shared)
    try:
        shared.forbid_swap()
        shared.limit(32 * MIB)
        killed = subprocess.run(memcg.joining(part.procs, *FILL), capture_output=True)
        assert killed.returncode == -9 and shared.kills() == 1 and not shared.swapped()
        shared.limit(128 * MIB)
        done = subprocess.run(memcg.joining(shared.procs, *FILL), capture_output=True)
        assert done.returncode == 0 and shared.kills() == 1
        assert shared.usage() < 32 * MIB and shared.stall_us() > 0
    finally:
        part.remove()
        shared.remove()
    assert not any(map(os.path.exists, (part.path, shared.path, shared.pressure)))
    return shared.version


if __name__ == "__main__":
    print("version", check())
