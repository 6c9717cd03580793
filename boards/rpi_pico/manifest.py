# ruff: noqa: F821  MicroPython's makemanifest.py brings `freeze`
# What is frozen into the Pico's image: the terminal, this board, and MicroPython's rp2.py for the
# console. Nothing of any other board: the build checks it (host_tools/flash/image.py). The files
# are named in the order of the alphabet, so that two builds give the same bytes.
import os


def _sources(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".py"):
                yield os.path.relpath(os.path.join(path, name), folder).replace(os.sep, "/")


for _folder in ("../../firmware", "modules"):
    for _name in sorted(_sources(_folder)):
        freeze("$(BOARD_DIR)/" + _folder, _name)
freeze("$(PORT_DIR)/modules", "rp2.py")
