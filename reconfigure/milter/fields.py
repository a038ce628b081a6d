"""Header fields in which a receiving server writes what it found out about a message's origin.

Readers believe them, because the server that they trust has written them. So one that comes from outside is a forgery,
or the word of a server that nobody here has a reason to trust.
"""

# In lower case, as names compare (RFC 5322 1.2.2). RFC 8601 5 has a border server remove the first; the second is what
# SPF leaves (RFC 7208 9.1). Mail programs show the last two as the logo of a sender that was verified.
VERDICTS = frozenset({b"authentication-results", b"received-spf", b"bimi-location", b"bimi-indicator"})
CHAIN = b"arc-"  # RFC 8617: results that the servers on a message's way vouch for to each other


DOMAIN = rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"  # a domain as it is written in results: nothing in it ends it


def is_verdict(name: bytes) -> bool:
    """Return whether the field of this name says what a server found out about a message's origin."""
    folded = name.strip().lower()
    return folded in VERDICTS or folded.startswith(CHAIN)
