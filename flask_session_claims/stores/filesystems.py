"""Is a file on a network file system, where SQLite's locks and shared memory do not work.

SQLite's write-ahead log needs memory that all its users share, so all must be on one machine.
Only Linux says what is mounted where; elsewhere the answer is always None.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

_MOUNTS: Final = "/proc/self/mountinfo"
_NETWORK: Final = frozenset(
    "9p afs beegfs ceph cifs glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 smb2 smb3 smbfs"
    " fuse.ceph-fuse fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs".split()
)


def network_file_system(path: Path, mounts: str | None = None) -> str | None:
    """The type of the network file system that `path` is on; None: it is local or unknown.

    `mounts` is what is mounted, in the form of /proc/self/mountinfo.
    """
    if mounts is None:
        try:
            mounts = Path(_MOUNTS).read_text("utf-8", "surrogateescape")
        except OSError:
            return None
    try:
        real = PurePosixPath(path.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return None
    depth, found = 0, ""
    for line in mounts.splitlines():
        place, _, kind = line.partition(" - ")
        fields = place.split(" ")
        if len(fields) < 5 or not kind:
            continue
        point = PurePosixPath(_unescaped(fields[4]))
        # Of two mounts on one place the later one counts.
        if real.is_relative_to(point) and len(point.parts) >= depth:
            depth, found = len(point.parts), kind.split(" ")[0]
    return found if found in _NETWORK else None


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
