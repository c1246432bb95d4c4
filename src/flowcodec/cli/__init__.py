"""The command line: one small file for each command, `main.py` finds them."""
