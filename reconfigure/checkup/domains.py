"""Hosted domains that may be somebody else's: where nothing says which are ours, DNS says where their mail goes."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import dns.exception

from reconfigure.checkup.finding import Absent, Check, Harm
from reconfigure.errors import ReconfigureError
from reconfigure.explaining import live
from reconfigure.explaining.records import Names, mail_comes_here
from reconfigure.generations.store import GenerationStore
from reconfigure.settings import Settings, Tier

AT_ONCE = 16  # questions
SECONDS = 6.0  # for all of them; a question takes up to two more
SHOWN = 10  # named in full


def checks(settings: Settings, *, resolver: str | None) -> dict[str, Check]:
    """Return the check of hosted domains; `resolver` is asked in place of the system's name server."""
    return {"domains": lambda: _domains(settings, resolver)}


def _domains(settings: Settings, resolver: str | None) -> str:
    if settings.mail_domains:
        return f"hosted is what is in {settings.mail_domains}, and nothing else"
    store = GenerationStore(settings.state_dir)
    try:
        hosted = list(live.snapshot(store.path(live.active(store).id), "domains"))
    except ReconfigureError as error:
        raise Absent(str(error)) from error
    if not hosted:
        raise Absent("no domain is hosted")
    relay = f"{Tier.SMTP_IN}.{settings.cert_domain}"
    try:
        names = Names(resolver)
    except ValueError as error:
        raise Absent(str(error)) from error
    comes_here = _ask(names, hosted, relay)
    foreign = [domain for domain, here in comes_here.items() if here is False]
    if foreign:
        raise Harm(
            f"MX of {_listed(foreign)} is not {relay}",
            means="mail from outside does not come here, and if the domain is another's, what our users write to it"
            " never leaves, and who has an address there here can send in its name",
            fix="set MAIL_DOMAINS to the apexes that are ours, or publish the MX record (reconfigure explain"
            f" {foreign[0]})",
            state="warning",
        )
    silent = [domain for domain in hosted if comes_here.get(domain) is None]
    if len(silent) == len(hosted):
        raise Absent(f"no answer from DNS about {_listed(silent)}: whether they are ours is not known")
    more = f"; no answer about {_listed(silent)}" if silent else ""
    return f"MX of {len(hosted) - len(silent)} hosted domains is {relay}{more}"


def _ask(names: Names, domains: Sequence[str], relay: str) -> dict[str, bool | None]:
    """Return of each domain that was asked about in time whether its mail comes here, None where DNS was silent."""
    end = time.monotonic() + SECONDS

    def asked(domain: str) -> bool | None:
        if time.monotonic() >= end:
            return None
        try:
            return mail_comes_here(names, domain, relay=relay)
        except (dns.exception.DNSException, OSError, ValueError):
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(domains, pool.map(asked, domains), strict=True))


def _listed(domains: Sequence[str]) -> str:
    more = f" and {len(domains) - SHOWN} more" if len(domains) > SHOWN else ""
    return ", ".join(domains[:SHOWN]) + more
