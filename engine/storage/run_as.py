"""Who a store's server runs as: PostgreSQL refuses to be root, and must still reach its files."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Literal

_LAUNCH = Path(__file__).with_name("launch.py")

# Servers see none of our environment: no PG* variable, no locale or zone of whoever came first.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class UserNamespaces(Enum):
    """Whether to ask the kernel for a user namespace, or take its refusal as given."""

    ASK = "ask"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RunAs:
    """`self`: as we are; `namespace`: our files, another name for us; `ordinary`: another user."""

    who: Literal["self", "namespace", "ordinary"]
    uid: int
    gid: int


def choose(reach: Path, namespaces: UserNamespaces) -> RunAs:
    """Who PostgreSQL can run as and still enter `reach`; `ordinary` only when nothing else works.

    A user that the password file does not know (usual in containers) is refused by initdb just
    as root is, and gets the same way out: a namespace in which it bears an ordinary name.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _is_known(uid):
        return RunAs("self", uid, gid)
    # Within a namespace 65534 (nobody) stands for every id that is not mapped: take another.
    inside = _ordinary_user("daemon", "bin", "nobody")
    named = RunAs("namespace", inside.pw_uid, inside.pw_gid)
    if namespaces is UserNamespaces.ASK and can_enter(named, reach):
        return named
    ordinary = _ordinary_user("nobody", "daemon", "bin")
    return RunAs("ordinary", ordinary.pw_uid, ordinary.pw_gid)


def can_enter(run_as: RunAs, folder: Path) -> bool:
    """Whether a process that runs so is allowed by this machine, and may enter `folder`."""
    return run(run_as, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0


def run(
    run_as: RunAs, command: Sequence[str], *, log: IO[bytes] | None = None, keep: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `command` to its end; its words go to `log`, and it inherits the descriptor `keep`."""
    return _launch("wait", run_as, command, log, keep)


def start_detached(run_as: RunAs, command: Sequence[str], *, log: IO[bytes], keep: int) -> None:
    """Start `command` in a session of its own: neither our end nor our Ctrl-C reaches it."""
    _launch("detach", run_as, command, log, keep)


def _launch(
    manner: str, run_as: RunAs, command: Sequence[str], log: IO[bytes] | None, keep: int | None
) -> subprocess.CompletedProcess[bytes]:
    # -I -S: the launcher sees the standard library and nothing that someone laid in its way.
    launcher = [sys.executable, "-I", "-S", str(_LAUNCH), run_as.who, str(run_as.uid), str(run_as.gid), manner]
    output = subprocess.DEVNULL if log is None else log
    return subprocess.run(
        [*launcher, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=() if keep is None else (keep,),
        env=_ENVIRONMENT,
        cwd="/",
        check=False,
    )


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _ordinary_user(*names: str) -> pwd.struct_passwd:
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return pwd.struct_passwd(("nobody", "x", 65534, 65534, "", "/", ""))
