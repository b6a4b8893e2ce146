"""What can go wrong with a guest.  Every message fits a line and names its log."""


class GuestError(Exception):
    """Something about a guest failed; the base of all below."""


class BootError(GuestError):
    """The guest did not reach its command agent."""


class GuestDied(GuestError):
    """QEMU ended, or the guest panicked or restarted, while something waited for it."""


class CommandError(GuestError):
    """A command in the guest failed or ran out of time."""


class WaitTimeout(GuestError):
    """What was waited for did not happen within its time limit."""


class QmpError(GuestError):
    """QEMU refused a command; desc is its own text and error_class its class."""

    def __init__(self, message, error_class="", desc=""):
        super().__init__(message)
        self.error_class = error_class
        self.desc = desc


class HostError(GuestError):
    """This machine lacks something: a package, a memory cgroup, the right to make one."""
