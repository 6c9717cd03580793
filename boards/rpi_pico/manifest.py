# ruff: noqa: F821  MicroPython's makemanifest.py brings `freeze`
# What is frozen into the Pico's image: the terminal, this board, and MicroPython's rp2.py for the
# console. Nothing of any other board: the build checks it (host_tools/flash/image.py).
freeze("$(BOARD_DIR)/../../firmware")
freeze("$(BOARD_DIR)/modules")
freeze("$(PORT_DIR)/modules", "rp2.py")
