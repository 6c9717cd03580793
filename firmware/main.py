"""Starts the terminal: board -> Terminal -> loop. Picks nothing, decides nothing."""

import board
from mobi.terminal import Terminal

Terminal(board.open()).run()
