"""Writes the settings' reference page: `python -m reconfigure.settings > docs/reference/settings.md`."""

import sys

from reconfigure.settings import reference

sys.stdout.write(reference())
