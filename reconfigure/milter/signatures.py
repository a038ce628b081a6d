"""Which DKIM-Signature fields a verifier can be shown: those whose result it writes down as what it is.

OpenDKIM 2.11 writes d=, i=, s=, a= and the first of b= of every signature, good or bad, into Authentication-Results as
they came, i= even decoded (RFC 6376 2.11): `i=x=3Bdkim=3Dpass=20header.d=3Dbank.example=20header.i=3D@evil.example` is
then a result of its own, in our name. OpenDMARC 1.4.2 has room for 16 results in a field and writes on behind it.
"""

import re

from reconfigure.milter.fields import DOMAIN

NAME = b"dkim-signature"
MOST = 8  # signatures that a message may have; OpenDKIM verifies the first three of them
LONGEST = 300  # bytes of what is written down of one; eight with the words between are less than OpenDKIM's 4,096

_PLAIN = {
    b"d": re.compile(DOMAIN),
    b"s": re.compile(DOMAIN),
    b"a": re.compile(rb"[A-Za-z0-9-]+"),
    # RFC 5322's atext without the sign that begins an encoded character. A name in quotes is nobody's.
    b"i": re.compile(rb"[A-Za-z0-9.!#$%&'*+/?^_`{|}~-]*@" + DOMAIN),
    b"b": re.compile(rb"[A-Za-z0-9+/=\s]+"),
}
_TAG = re.compile(rb"\s*([A-Za-z][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)


def is_plain(value: bytes) -> bool:
    """Return whether a signature is a list of tags (RFC 6376 3.2), and each that is written down has no more in it.

    Args:
        value: the field's value, folded or not.
    """
    tags: dict[bytes, bytes] = {}
    for part in value.strip().removesuffix(b";").split(b";"):
        found = _TAG.fullmatch(part)
        if found is None or (name := found[1].lower()) in tags:
            return False
        tags[name] = found[2].strip()
    if not {b"d", b"s", b"a", b"b"} <= tags.keys():
        return False
    tags.setdefault(b"i", b"@" + tags[b"d"])  # RFC 6376 3.5
    written = sum(len(tags[name]) for name in (b"d", b"i", b"s", b"a"))
    return written <= LONGEST and all(shape.fullmatch(tags[name]) for name, shape in _PLAIN.items())
