"""How a value that nobody vouches for is shown: on one line, in ASCII, shortened."""

PRINTABLE_LIMIT = 120


def printable(text: object) -> str:
    """Return any value as at most 120 characters of printable ASCII with escapes; for people, never for maps."""
    shown = str(text)[: PRINTABLE_LIMIT + 1].encode("unicode_escape").decode("ascii")
    return shown if len(shown) <= PRINTABLE_LIMIT else f"{shown[: PRINTABLE_LIMIT - 1]}~"
