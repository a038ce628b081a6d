"""Root's right to read whatever there is, laid down for a while, so that what may not be read exists for root, too.

capset(2) changes the rights of the calling thread, and of threads and processes that it starts from then on.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two sets of 32 rights each (linux/capability.h)
_PAST_MODES = 1 << 1 | 1 << 2 | 1 << 3  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def held_to_modes() -> Iterator[None]:
    """Let modes of files count for this thread, also when it is root's."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, rights = _Header(_VERSION, 0), (_Rights * 2)()

    def call(change: str) -> None:
        if getattr(libc, change)(ctypes.byref(header), rights):
            raise OSError(ctypes.get_errno(), change)

    call("capget")
    before = rights[0].effective
    rights[0].effective = before & ~_PAST_MODES
    call("capset")
    try:
        yield
    finally:
        rights[0].effective = before
        call("capset")
