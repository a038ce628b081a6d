"""Measures the passes, apart from the tests: `python -m bench`. Nothing here is part of the program."""
