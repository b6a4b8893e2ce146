"""The machines that guests can be: what QEMU, the compiler and Debian call them.

A kernel's name says which: overlay is for x86-64, overlay-arm64 for another one.
"""

from dataclasses import dataclass, replace

GIB = 1 << 30
HOST = "x86_64"


@dataclass(frozen=True)
class Arch:
    """One machine.

    name        of tools/vm/build-kernel; several may share the rest
    image       the kernel's file
    compiler    of Debian, for the guest's programs
    debian      whose packages run there; None: the host's own
    qemu        the emulator
    machine     its machine type and processor, None for the default one
    cpu
    console     the kernel's console there
    cmdline     what the kernel needs to be told
    agent       the command agent's line if that is not a second serial one
    ram         QEMU's name for the RAM
    base        where RAM begins
    hole        (from, least): RAM beyond this lies from 4 GiB on, once there is as much
    """

    name: str
    image: str = "bzImage"
    compiler: str = "gcc"
    debian: str = None
    qemu: str = "qemu-system-x86_64"
    # Not QEMU's default machine, whose ACPI interrupt tables a debug kernel interprets for
    # 30 s and then gives up.
    machine: str = "q35"
    cpu: str = None
    console: str = "ttyS0"
    # A busy host may owe an emulated guest more than the ten ticks it waits for.
    cmdline: str = "no_timer_check"
    agent: str = None
    ram: str = "pc.ram"
    base: int = 0
    hole: tuple = (0x80000000, 0xB0000000)

    @property
    def foreign(self):
        """Whether the host's processor cannot run it."""
        return self.qemu != "qemu-system-x86_64"

    def on(self, machine):
        """The same with what another machine type does otherwise; machine may have options."""
        return replace(self, machine=machine, **MACHINES.get(machine.partition(",")[0], {}))

    def physical(self, offset, memory):
        """The guest physical address of a byte of the RAM."""
        if self.hole and memory >= self.hole[1] and offset >= self.hole[0]:
            return offset - self.hole[0] + 4 * GIB
        return self.base + offset


# What differs from q35.
MACHINES = {
    "pc": {"hole": (0xC0000000, 0xE0000000)},
    "microvm": {"ram": "microvm.ram", "hole": (0xC0000000, 0xC0000001)},
}


def _arm64(name):
    return Arch(name, image="Image", compiler="aarch64-linux-gnu-gcc", debian="arm64",
                qemu="qemu-system-aarch64", machine="virt", cpu="cortex-a57",
                console="ttyAMA0", cmdline="", agent="hvc0", ram="mach-virt.ram", base=GIB,
                hole=None)


ARCHS = {arch.name: arch for arch in (
    Arch(HOST),
    Arch("i386", compiler="i686-linux-gnu-gcc", debian="i386"),
    _arm64("arm64"),
    _arm64("arm64-64k"),
)}


def of_variant(variant):
    """That of a kernel's name without its series."""
    return ARCHS.get(variant.partition("-")[2], ARCHS[HOST])
