"""MicroPython runs this first: what may be imported, then the file system behind the regions.

Only what is frozen into the image can be imported: a file that somebody left on the board never
becomes part of the terminal, and no import looks through the file system first, which takes time
and a tenth of the stack. That goes for the service console, too, where keys are put in; to try a
file of your own there: ``sys.path.append("/")``.
"""

import sys

sys.path[:] = (".frozen",)

import flash_map  # noqa: E402  only now it is the frozen one for certain

flash_map.mount_files()
del flash_map
