"""Has this file been replaced?"""

from pathlib import Path

Signature = tuple[int, int, int, int]


def signature(path: str | Path) -> Signature | None:
    """What changes with a file's content, for the price of one stat; None where it can't be seen.

    Follows links, so that the kubelet's swap of a volume's `..data` shows. The time of change is in it because a
    file of the same size may be moved into place with an old modification time.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
