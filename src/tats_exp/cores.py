"""How many cores there are to use."""

import os


def usable_cores() -> int:
    """Cores that this process may use, of a cluster's node say; all of them where the system does not tell."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
