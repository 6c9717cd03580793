"""Provisions the terminal of a bench under MicroPython: provision_unix.py FILE.JSON."""

import json
import sys

import board
from mobi.provision import provision

with open(sys.argv[1]) as file:
    options = json.load(file)
print("provisioned", provision(board.open(), options))
