"""MicroPython runs this before main.py: decides between the terminal and the service console."""

import board

board.enter_service_if_wanted()
