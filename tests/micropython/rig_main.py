"""Runs the firmware's main.py as it is, on the fake board, over this process's own stdin and stdout."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])

import fake_board
from loads import LOADS

board = fake_board.Board(LOADS["ramp"])
board.chip.keeps_truth = False
fake_board.install(board, sys.argv[1])
with open(sys.argv[1] + "/main.py") as file:
    exec(file.read(), {"__name__": "__main__"})
