"""What the kernel's unit tests say in its log while it boots."""

import re

STAMP = re.compile(r"^\[ *\d+\.\d+\] ?", re.MULTILINE)
RESULT = re.compile(r"^( *)(not )?ok \d+ (?:- )?(.*?)(?: # (SKIP.*))?$")


def cases(log):
    """(suite.case, error) of each KTAP result at the second level, error None for a pass."""
    suite, notes, found = None, [], []
    for line in STAMP.sub("", log).splitlines():
        match = RESULT.match(line)
        name = re.match(r"^    # Subtest: (\S+)", line)
        if name:
            suite, notes = name[1], []
        elif match and suite and len(match[1]) == 4:
            error = match[4] or ("\n".join(notes) or "failed" if match[2] else None)
            found.append((f"{suite}.{match[3]}", error))
            notes = []
        elif match and not match[1]:
            suite = None
        elif suite and line.startswith("    #"):
            notes.append(line.strip())
    return found


# A balloon that misbehaves is told so, by the core and by the driver.
BROKEN = r"virtio_balloon virtio\d+: .*(queue broken|the device is broken)"
