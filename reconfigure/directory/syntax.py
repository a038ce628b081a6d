"""Which addresses and user names may be rendered at all: the one place that decides what a line can contain.

Everything that leaves this module is lower-case ASCII without a character that sendmail, makemap, OpenDKIM, a
passwd file or a shell gives a meaning to. Nothing is repaired: a value is either taken (folded as the maps fold
it) or refused with a reason code.

Sources: RFC 5321 §4.1.2 and §4.5.3.1 (addresses and their limits), RFC 1123 §2.1 and RFC 5890 (host names and
A-labels), useradd(8) (user names), makemap(8) (keys are folded to lower case).
"""

import re
import string
from typing import NamedTuple

import idna

from reconfigure.directory.printable import printable

LOCAL_PART_LIMIT = 64
DOMAIN_LIMIT = 253  # RFC 5321 allows 255 octets on the wire; as text without the root dot that is 253
ADDRESS_LIMIT = 254  # RFC 5321 §4.5.3.1.3: a path is 256 octets with its angle brackets
USER_LIMIT = 32

# A subset of RFC 5322 atext. Left out: "+" (it starts the detail, which is delivered as the address without it, so
# such a row could take another row's mail), and what sendmail, the maps or a shell may read as something else:
# ! % | / # " $ * ? ` ^ { }
_ATOM = r"[a-z0-9_&'=~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
PLAIN_LOCAL_PART = re.compile(rf"(?!-){_ATOM}(?:\.{_ATOM})*")  # folded; its length is another matter
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")
_PLAIN_ADDRESS = re.compile(rf"((?!-){_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL})")
_USER = re.compile(r"[a-z_][a-z0-9_-]*")

# str.lower() maps look-alikes such as the Kelvin sign to ASCII letters; folding must not.
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Unfit(NamedTuple):
    """Why a value may not be rendered."""

    code: str
    detail: str


class Mailbox(NamedTuple):
    """An address in canonical form."""

    name: str
    domain: str


def mailbox(text: str) -> Mailbox | Unfit:
    """Return the canonical form of an address, or why it may not be rendered.

    Args:
        text: the address as somebody wrote it, of any length and content.
    """
    plain = _PLAIN_ADDRESS.fullmatch(text)
    if plain is not None and "xn--" not in text and len(text) <= ADDRESS_LIMIT:
        local, host = plain.group(1, 2)
        if len(local) <= LOCAL_PART_LIMIT and len(host) <= DOMAIN_LIMIT:
            return Mailbox(text, host)
    return _mailbox_by_parts(text)


def _mailbox_by_parts(text: str) -> Mailbox | Unfit:
    local, at, host = text.partition("@")
    if not at or "@" in host:
        return Unfit("address-syntax", "an address is one local part, one @ and one domain")
    checked_local = local_part(local)
    if isinstance(checked_local, Unfit):
        return checked_local
    checked_domain = domain(host)
    if isinstance(checked_domain, Unfit):
        return checked_domain
    name = f"{checked_local}@{checked_domain}"
    if len(name) > ADDRESS_LIMIT:
        return Unfit("address-length", f"{len(name)} characters; at most {ADDRESS_LIMIT}")
    return Mailbox(name, checked_domain)


def local_part(text: str) -> str | Unfit:
    """Return a local part folded as sendmail's maps fold it, or why it may not be rendered."""
    if not text:
        return Unfit("local-part-empty", "nothing before the @")
    if len(text) > LOCAL_PART_LIMIT:
        return Unfit("local-part-length", f"{len(text)} characters; at most {LOCAL_PART_LIMIT}")
    folded = text.translate(_FOLD)
    if "+" in folded:
        return Unfit("local-part-detail", "'+' starts a detail: mail for name+detail is delivered as name")
    if not PLAIN_LOCAL_PART.fullmatch(folded):
        return Unfit(
            "local-part-characters",
            "only letters, digits and . _ - & ' = ~ (ASCII), no leading '-', no dot at an end or beside another",
        )
    return folded


def domain(text: str) -> str | Unfit:
    """Return a domain in lower case with its A-labels, or why it may not be rendered."""
    folded = text.translate(_FOLD)
    if len(folded) > DOMAIN_LIMIT:
        return Unfit("domain-length", f"{len(folded)} characters; at most {DOMAIN_LIMIT}")
    if not folded.isascii() or "xn--" in folded:
        try:
            folded = ".".join(_a_label(label) for label in folded.split("."))
        except (idna.IDNAError, UnicodeError) as error:
            return Unfit("domain-idn", f"not a valid internationalised domain (RFC 5890): {printable(error)}")
    if len(folded) > DOMAIN_LIMIT:
        return Unfit("domain-length", f"{len(folded)} characters as A-labels; at most {DOMAIN_LIMIT}")
    if not _DOMAIN.fullmatch(folded):
        return Unfit(
            "domain-syntax",
            "two or more labels of letters, digits and inner hyphens, up to 63 characters each, the last not a number",
        )
    return folded


def _a_label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    if label.isascii():
        idna.ulabel(label)  # raises for an A-label that stands for nothing
        return label
    return idna.alabel(label).decode("ascii")


def user_name(text: str) -> str | Unfit:
    """Return a user name that useradd would take and no part of the system owns, or why it may not be rendered."""
    if len(text) > USER_LIMIT:
        return Unfit("user-name-length", f"{len(text)} characters; at most {USER_LIMIT}")
    if not _USER.fullmatch(text):
        return Unfit(
            "user-name-syntax",
            "a lower-case letter or '_' first, then lower-case letters, digits, '_' or '-'",
        )
    if text in SYSTEM_NAMES or text.startswith("systemd-"):
        return Unfit("user-name-reserved", "an account or alias of the system")
    return text


# Debian's base-passwd, the accounts of the packages a mail tier may have installed, and the aliases RFC 5321 and
# RFC 2142 give to the system rather than to a person.
SYSTEM_NAMES = frozenset(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt
    messagebus sshd ntp tss uuidd syslog _chrony polkitd landscape
    smmta smmsp postfix postdrop dovecot dovenull dovecot-auth vmail opendkim opendmarc sasl saslauth exim debian-exim
    amavis clamav debian-spamd spamd redis memcached reconfigure login milter
    adm tty disk dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video plugdev staff users
    nogroup input sgx kvm render crontab ssl-cert
    postmaster mailer-daemon mailer_daemon abuse hostmaster
    """.split()
)
