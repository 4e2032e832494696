# SPDX-License-Identifier: MIT OR Apache-2.0
"""cpio.py OUTPUT FILE...: an initramfs of these files, each below its own name, and of /dev/console. It is
written here because to make the device's node first would need a machine that allows it.

Source: torvalds/linux Documentation/driver-api/early-userspace/buffer-format.rst (newc)."""
import os
import stat
import sys


def entry(number, name, mode, data=b"", device=(0, 0)):
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


with open(sys.argv[1], "wb") as archive:
    archive.write(entry(1, "dev", stat.S_IFDIR | 0o755))
    archive.write(entry(2, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1)))
    for number, path in enumerate(sys.argv[2:], 3):
        with open(path, "rb") as file:
            archive.write(entry(number, os.path.basename(path), stat.S_IFREG | 0o755, file.read()))
    archive.write(entry(0, "TRAILER!!!", 0))
