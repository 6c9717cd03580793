"""MicroPython runs this first: the file system, behind the regions of the terminal."""

import flash_map

flash_map.mount_files()
del flash_map
