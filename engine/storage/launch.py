"""A program of its own, never imported: becomes who it is told, then becomes the server.

    launch.py WHO UID GID MANNER COMMAND...

WHO     self       stay who we are
        namespace  in a new user namespace, our own id is called UID there
        ordinary   give up root and be UID
MANNER  wait       the command replaces this process
        detach     the command runs in a session of its own, and this process ends

Changing ids and namespaces needs a process with a single thread, and the code between fork
and exec must not touch what another thread may have locked. The caller may have threads,
so this is a fresh process, and needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
# What the shell answers when a command cannot be executed.
CANNOT_EXECUTE = 126


def main(who: str, uid: int, gid: int, manner: str, *command: str) -> None:
    if who == "namespace":
        _enter_user_namespace(uid, gid)
    elif who == "ordinary":
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if manner == "detach":
        if os.fork():
            os._exit(0)
        os.setsid()
    os.execv(command[0], command)  # noqa: S606 (an absolute path, and no shell)


def _enter_user_namespace(uid: int, gid: int) -> None:
    """One line maps the id in here to our own outside: all that the kernel lets anyone write."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no user namespace: {os.strerror(number)}")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside_gid} 1")


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
    except OSError as error:
        sys.stderr.write(f"{sys.argv[5]}: {error}\n")
        sys.exit(CANNOT_EXECUTE)
