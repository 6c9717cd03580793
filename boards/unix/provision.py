"""Provisions the terminal on the bench: provision.py JSON."""

import json
import sys

import board
from mobi.provision import provision

print("provisioned", provision(board.open(), json.loads(sys.argv[1])))
