"""Which domains may be hosted at all, whatever the table says.

A row decides where mail goes: one for a foreign domain would keep from it what our own users write to it, and would
be signed in its name. One for a host name of the service would compete with the service's own mail. Pure.
"""

from dataclasses import dataclass

from reconfigure.directory.syntax import Unfit


@dataclass(frozen=True)
class Hosting:
    """What may be hosted.

    Attributes:
        own_hosts: host names of the service itself, in lower case: no address is served there.
        apexes: in lower case with A-labels; a domain is ours if it is one of them or below one. Empty: all are.
    """

    own_hosts: frozenset[str] = frozenset()
    apexes: frozenset[str] = frozenset()

    def unfit(self, domain: str) -> Unfit | None:
        """Return why a domain (canonical, as `syntax.domain` returns it) is not hosted; None when it may be."""
        if domain in self.own_hosts:
            return Unfit("domain-own-host", f"{domain} is a host name of the service")
        if self.apexes and not self._is_below_apex(domain):
            return Unfit("domain-not-ours", f"{domain} is neither a domain of MAIL_DOMAINS nor below one")
        return None

    def _is_below_apex(self, domain: str) -> bool:
        rest = domain
        while rest:
            if rest in self.apexes:
                return True
            rest = rest.partition(".")[2]
        return False


ANY = Hosting()
