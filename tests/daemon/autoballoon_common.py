"""What the daemon's tests and their fixtures both need."""

import os

import paths

MIB = 1 << 20
TOOL = os.path.join(paths.TOP, "tools", "autoballoon")
