"""Writes the commands' reference page: `python -m reconfigure.cli > docs/reference/commands.md`."""

import sys

from reconfigure.cli.reference_page import reference

sys.stdout.write(reference())
