"""What the admin guide, the recipes and the tools' page tell to do, done as it is written there."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import textwrap

import pytest

import guestroot
import paths
import qemu
from guest import MIB, Guest

GUIDE = "Documentation/admin-guide/mm/page_reporting.rst"
RECIPES = "docs/recipes.rst"
TOOLS = "docs/tools.rst"
# Where a block that is for a guest's shell begins, and what never ends by itself.
SHELL = ("echo ", "cat ", "page-reporting ", "sync\n")
ENDLESS = "trace_pipe"
# Blocks that are for elsewhere; tests below, or none here, look at them.
ELSEWHERE = ("qemu-system-x86_64 ", "-device ", "<memballoon ", "<memoryBacking>", "virsh ",
             "info virtio-status ", "page_reporting: ", '"balloon": {', "cloud-hypervisor ",
             "reclaim_guest_freed_memory ", "cp page-reporting-", "perf ", "make ",
             "page_reporting_obstacle ")


def blocks(page):
    """The literal blocks of a page, without their indentation."""
    with open(os.path.join(paths.TOP, page)) as f:
        lines = f.read().splitlines()
    found, number = [], 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.endswith("::") or line.lstrip().startswith(".. "):
            continue
        outer = len(line) - len(line.lstrip())
        block = []
        while number < len(lines) and (not lines[number].strip() or
                                       len(lines[number]) - len(lines[number].lstrip()) > outer):
            block.append(lines[number])
            number += 1
        found.append(textwrap.dedent("\n".join(block)).strip() + "\n")
    return found


def commands(page):
    return [block for block in blocks(page) if block.startswith(SHELL)]


def test_every_block_is_accounted_for():
    for page in (GUIDE, RECIPES, TOOLS):
        assert len(blocks(page)) > 5
        unknown = [block for block in blocks(page) if not block.startswith((*SHELL, *ELSEWHERE))]
        assert not unknown, f"{page}: {unknown[0]}"


@pytest.mark.kernels("overlay")
@pytest.mark.fresh
@pytest.mark.parametrize("page", [GUIDE, RECIPES, TOOLS], ids=("guide", "recipes", "tools"))
def test_commands_in_a_guest(guest, page):
    """Each block, one after the other, in a shell that stops at the first failure."""
    guest.sh("mkdir -p /var/lib/prometheus/node-exporter")
    for block in commands(page):
        script = block
        if ENDLESS in block:
            script = re.sub(rf"(.*{ENDLESS})", r"timeout 2 \1 || true", block)
        job = guest.spawn(f"set -e\n{script}", 120)
        status = job.wait()
        # There is no disk, so less page cache than one asks for, which is EAGAIN.
        allowed = (0, 1) if "memory.reclaim" in block else (0,)
        assert status in allowed, f"{block}{job.output}{job.errors}"
    assert guest.read_int("/proc/sys/vm/page_reporting_pause") == 0


def command_lines(page):
    for block in blocks(page):
        if block.startswith("qemu-system-x86_64 "):
            yield block.replace("\\\n", " ").split()


def test_qemu_takes_the_command_lines(tmp_path):
    """Each of them with an image and 64 MiB, stopped before the first instruction."""
    (tmp_path / "guest.img").write_bytes(bytes(MIB))
    shutil.copy(paths.kernel_image("overlay"), tmp_path / "bzImage")
    lines = list(command_lines(RECIPES))
    assert len(lines) >= 4
    for line in lines:
        text = " ".join(line).replace("-accel kvm -cpu host", "-accel tcg")
        text = text.replace("4G", "64M").replace("qemu-system-x86_64", qemu.program())
        # Nothing touches memory before the first instruction: no pool is needed.
        text = text.replace("hugetlb=on", "hugetlb=on,reserve=off")
        assert "kvm" not in text
        done = subprocess.run(
            [*text.split(), "-S", "-display", "none", "-serial", "none", "-qmp", "stdio"],
            input='{"execute": "qmp_capabilities"}{"execute": "quit"}', text=True,
            capture_output=True, cwd=tmp_path, timeout=60, check=False)
        assert done.returncode == 0, f"{text}: {done.stderr}"


@pytest.mark.kernels("overlay")
@pytest.mark.machine(cmdline="page_reporting.page_reporting_order=6 "
                             "sysctl.vm.page_reporting_delay_ms=2000")
def test_knobs_on_the_command_line(guest):
    assert guest.read_int("/proc/sys/vm/page_reporting_order") == 6
    assert guest.read_int("/proc/sys/vm/page_reporting_delay_ms") == 2000


@pytest.mark.kernels("overlay")
def test_what_was_negotiated_is_told(guest):
    """By both ways that the recipe names, and by the monitor of a QEMU that it names."""
    with open(os.path.join(paths.TOP, RECIPES)) as f:
        last = int(re.search(r"the monitor of QEMU\s+7\.2 to (\d+)", f.read()).group(1))
    line, = (block for block in blocks(RECIPES) if block.startswith("info virtio-status"))
    told = re.search(r"^negotiated .*", guest.sh("page-reporting status"), re.M).group(0)
    assert "free-page-reporting" in told.split()
    if guest.qmp.command("query-version")["qemu"]["major"] <= last:
        assert "VIRTIO_BALLOON_F_REPORTING" in guest.qmp.human(line.strip())


def image_of(directory, tree, size):
    image = directory / f"{tree.name}.img"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, size], check=True)
    return str(image)


def test_page_cache_comes_back(tmp_path):
    """What a file that was read left in memory, by each way that the recipes name."""
    tree = tmp_path / "files"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(150 * MIB))
    reclaim, = (block for block in commands(RECIPES) if "memory.reclaim" in block)
    drop, = (block for block in commands(RECIPES) if "drop_caches" in block)
    if paths.SERIES == "6.1":
        reclaim = reclaim.replace(" swappiness=0", "")
    with Guest("overlay", name="test-page-cache", memory=1024,
               drives=[image_of(tmp_path, tree, "200M")]) as guest:
        guest.sh("mkdir -p /files && mount -o ro /dev/vda /files")
        for block, least in ((reclaim, 80), (drop, 130)):
            guest.sh("cat /files/file >/dev/null")
            guest.sh("page-reporting flush --compact")
            high = guest.charge()
            guest.sh(block)
            guest.sh("page-reporting flush --compact")
            assert high - guest.charge() > least * MIB, block


def tree_with_the_agent(directory):
    """QEMU's guest agent and the libraries that it needs, the loader by name."""
    program = shutil.which("qemu-ga", path="/usr/sbin:/usr/bin")
    assert program, "no qemu-ga: run tools/vm/setup test"
    tree = directory / "agent"
    tree.mkdir()
    shutil.copy(program, tree / "qemu-ga")
    for library in guestroot.libraries(program):
        name = "loader" if "ld-linux" in library else os.path.basename(library)
        shutil.copy(library, tree / name)
    return tree


class Agent:
    """Talks to QEMU's guest agent as virsh qemu-agent-command does."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rw")

    def ask(self, command):
        self._lines.write(command if isinstance(command, str) else json.dumps(command))
        self._lines.write("\n")
        self._lines.flush()
        return json.loads(self._lines.readline())["return"]


@contextlib.contextmanager
def guest_with_agent(directory, name):
    """A guest in which the agent that Debian has runs, and its socket."""
    path = str(directory / "qga")
    extra = ["-device", "virtio-serial-pci",
             "-chardev", f"socket,id=qga0,path={path},server=on,wait=off",
             "-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"]
    with Guest("overlay", name=name, memory=1024, extra=extra,
               drives=[image_of(directory, tree_with_the_agent(directory), "32M")]) as guest:
        guest.sh("mkdir -p /agent /var/run && mount -o ro /dev/vda /agent && cd /agent && "
                 "(setsid ./loader --library-path /agent ./qemu-ga -m virtio-serial "
                 "-p /dev/vport*p1 >/tmp/agent.log 2>&1 &)")
        yield guest, path


def test_flush_through_the_guest_agent(tmp_path):
    """The commands of the recipe, word for word, through the agent that Debian has."""
    block, = (block for block in blocks(RECIPES) if block.startswith("virsh qemu-agent-command"))
    start, ask = re.findall(r"virsh qemu-agent-command GUEST '(.*?)'", block, re.S)
    with guest_with_agent(tmp_path, "test-guest-agent") as (guest, path):
        guest.write("/proc/sys/vm/page_reporting_delay_ms", 600000)
        job = guest.spawn("exec hold --mib 300")
        guest.wait_for(lambda: "holding" in job.output, 60, "hold --mib 300")
        high = guest.charge()
        job.kill(15)
        job.check(60)
        agent = Agent(path)
        pid = agent.ask(start)["pid"]
        told = guest.wait_for(lambda: next((t for t in [agent.ask(ask.replace("4711", str(pid)))]
                                            if t["exited"]), None), 60, "the flush ends")
        assert told["exitcode"] == 0
        assert high - guest.charge() > 0.9 * 300 * MIB


def test_park_through_the_guest_agent(tmp_path):
    """From the host, in one call."""
    done = subprocess.run(["make", "-s", "-C", os.path.join(paths.TOOLS, "../autoballoon"), "all"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    program = os.path.join(paths.BUILD, "autoballoon/release/autoballoonctl")

    def ctl(*words):
        return subprocess.run([program, "--agent", path, *words], capture_output=True, text=True,
                              timeout=120, check=False)

    with guest_with_agent(tmp_path, "test-park-agent") as (guest, path):
        told = ctl("park", "guest", "all")
        assert told.returncode == 0 and "parked in" in told.stdout, told.stderr
        assert guest.read_int("/proc/sys/vm/page_reporting_pause") == 1
        told = ctl("park", "guest")
        assert told.returncode == 4 and "paused already" in told.stderr
        assert ctl("unpark", "guest", "resync").returncode == 0
        assert guest.read_int("/proc/sys/vm/page_reporting_pause") == 0
