"""Mail from outside that claims to be from a domain that is hosted here: what becomes of it where nothing proves it.

Our users send through submission, which signs. What comes in from the internet under one of their domains was signed
by somebody whom its owner trusts, or went through a server that broke the signature, or is forged.
"""

import json
import mmap
from pathlib import Path
from typing import NamedTuple, Self

from reconfigure.errors import ConfigurationError

METHOD = b"x-hosted-from"  # nobody's but ours: RFC 8601 2.7 has no method for it


class Hosted(NamedTuple):
    """What the milter knows of this service.

    Attributes:
        server: the name that results are written under (RFC 8601 2.5).
        domains: the file of the live generation with a line for each hosted domain.
        refuses: whether what is not proved is refused; else it is marked.
    """

    server: bytes
    domains: Path
    refuses: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `prepare` wrote.

        Raises:
            ConfigurationError: it is not there, or not what it should be.
        """
        try:
            found = json.loads(path.read_bytes())
            return cls(found["server"].encode("ascii"), Path(found["domains"]), found["hosted_from"] == "refuse")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"reading {path} failed: {error!r}; run 'reconfigure prepare'") from error

    def has(self, domain: bytes) -> bool:
        """Return whether a domain is hosted by the generation that is live now.

        The file is looked through each time: the millisecond that takes for a hundred thousand domains is less than a
        message costs otherwise.

        Args:
            domain: in lower case, ASCII.

        Raises:
            OSError: the file cannot be read.
        """
        with self.domains.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return text.find(b"\n" + domain + b"\t") >= 0  # its first line is a comment

    def mark(self, domain: bytes | None) -> bytes:
        """Return the value of the Authentication-Results field that says that From: was not proved.

        Args:
            domain: that of From:; None where it is not one address.
        """
        what = b"(not one address)" if domain is None else b"header.from=" + domain
        return self.server + b"; " + METHOD + b"=fail " + what
