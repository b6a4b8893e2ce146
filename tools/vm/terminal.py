"""What long-running scripts show: one live line on a terminal, plain lines elsewhere."""

import os
import sys
import time

PLAIN_PERIOD = 2  # seconds between lines where nothing can be drawn over


class LiveLine:
    """A line that is drawn over.  show() often; it prints at a bearable rate."""

    def __init__(self, stream=sys.stdout):
        self._stream = stream
        self._tty = stream.isatty()
        self._shown = 0.0
        self._open = False

    def show(self, text):
        now = time.monotonic()
        if now - self._shown < (0.1 if self._tty else PLAIN_PERIOD):
            return
        self._shown = now
        if self._tty:
            width = os.get_terminal_size(self._stream.fileno()).columns
            self._stream.write(f"\r\033[K{text[:width - 1]}")
            self._open = True
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def done(self, text=None):
        """Ends the live line, with a last text that is always printed."""
        if self._open:
            self._stream.write("\r\033[K")
            self._open = False
        if text is not None:
            self._stream.write(text + "\n")
        self._stream.flush()


def bar(share, width=30):
    filled = round(max(0.0, min(1.0, share)) * width)
    return "#" * filled + "." * (width - filled)


def give_back(*directories):
    """Hands what root made under these to the user who called sudo, if one did."""
    user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.geteuid() != 0 or not user or not group:
        return
    for top in directories:
        for directory, names, files in os.walk(top):
            for path in [directory] + [os.path.join(directory, name) for name in names + files]:
                if os.lstat(path).st_uid == 0:
                    os.lchown(path, int(user), int(group))
