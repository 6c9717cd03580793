"""How the storage half of the Pico's flash is divided; see mpconfigboard.h for the addresses.

The stock image gives all of it to one file system and formats it whenever it does not like what it
finds. Here journal and vault are carved off first and nothing formats them: a file system can be
lost, a record of money cannot.
"""

from _rp2 import Flash
from micropython import const

_SECTOR = const(4096)
_JOURNAL_SIZE = const(256 * 1024)
_VAULT_SIZE = const(8 * 1024)


def journal():
    """The journal's region as a block device."""
    return Flash(start=0, len=_JOURNAL_SIZE)


def vault():
    """The vault's region as a block device."""
    return Flash(start=_JOURNAL_SIZE, len=_VAULT_SIZE)


def files():
    """What is left, for a file system."""
    return Flash(start=_JOURNAL_SIZE + _VAULT_SIZE)


def mount_files():
    """Mount the file system at ``/``. It is made once, on flash that was never written."""
    import vfs

    device = files()
    try:
        vfs.mount(vfs.VfsLfs2(device, progsize=256), "/")
        return
    except OSError:
        pass
    if _is_blank(device, 0) and _is_blank(device, 1):
        vfs.VfsLfs2.mkfs(device, progsize=256)
        vfs.mount(vfs.VfsLfs2(device, progsize=256), "/")
    else:
        print("The file system cannot be mounted and is left as it is. The terminal does not need")
        print("it. To make a new one: vfs.VfsLfs2.mkfs(flash_map.files(), progsize=256)")


def _is_blank(device, sector):
    page = bytearray(256)
    for offset in range(0, _SECTOR, 256):
        device.readblocks(sector, page, offset)
        if page != b"\xff" * 256:
            return False
    return True
