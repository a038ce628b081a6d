"""How one setting's text becomes a value: a `Kind` for each sort of setting, and the masks that hide secrets.

Everything arrives as text, from the environment or from YAML, so one set of parsers serves both. A parser says what
is wrong without repeating the text; whoever reports the mistake adds the text through the kind's mask. Which setting
is of which kind stands in `fields`.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, cast
from urllib.parse import SplitResult, urlsplit

MASK = "********"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_IN_PEM = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LDH_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1035 2.3.1, RFC 1123 2.1
_URL_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_PEM_BEGIN = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----[ \t\r]*$", re.MULTILINE)
_SOCKET_PATH_BYTES = 107  # unix(7): sun_path holds 108, the last one NUL
_LONGEST_NUMBER = 40
_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Secret:
    """A text that no representation shows; only `reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, for the one place that writes it to its file."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


class Endpoint(NamedTuple):
    """Where to listen: an IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class WrongValueError(ValueError):
    """A setting's text does not parse; the message says why and never repeats the text."""


class Kind(NamedTuple):
    """A sort of setting.

    Attributes:
        read: text to value; raises `WrongValueError`.
        wanted: what to set, to follow "set" in a message and to stand in the reference.
        mask: text as it may be shown to a person.
    """

    read: Callable[[str], object]
    wanted: str
    mask: Callable[[str], str] = str


def quoted(text: str) -> str:
    """Return text as it may stand in a message: escaped, and shortened to 60 characters."""
    return ascii(text if len(text) <= 60 else text[:59] + "...")  # noqa: PLR2004


def plain(text: str) -> str:
    """Return text without the spaces around it.

    Raises:
        WrongValueError: it holds a control character, a line end or an unpaired surrogate.
    """
    if _CONTROL.search(text):
        raise WrongValueError("holds a control character or a line end")
    return text.strip()


def matching(pattern: str, wanted: str, *, longest: int = 1024) -> Kind:
    """Return the kind of texts that match a pattern as a whole."""
    expression = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        text = plain(text)
        if len(text) > longest or not expression.fullmatch(text):
            raise WrongValueError("does not have the right form")
        return text

    return Kind(read, wanted)


def one_of(choices: Iterable[str]) -> Kind:
    """Return the kind of an enumeration; the value is the member of `choices` itself, so it may be a StrEnum's."""
    known = {str(choice): choice for choice in choices}

    def read(text: str) -> str:
        if (name := plain(text).lower()) not in known:
            raise WrongValueError("is not one of the choices")
        return known[name]

    return Kind(read, "one of " + ", ".join(known))


def _read_switch(text: str) -> bool:
    if (word := plain(text).lower()) not in _TRUTH:
        raise WrongValueError("is neither on nor off")
    return _TRUTH[word]


SWITCH = Kind(_read_switch, "1, true, yes or on; 0, false, no or off")


def number(low: float, high: float, unit: str = "") -> Kind:
    """Return the kind of finite numbers from low to high, both included."""
    return _ranged(float, "a number", low, high, unit)


def whole(low: int, high: int, unit: str = "") -> Kind:
    """Return the kind of whole numbers from low to high, both included."""
    return _ranged(int, "a whole number", low, high, unit)


def _ranged(convert: type[int] | type[float], noun: str, low: float, high: float, unit: str) -> Kind:
    def read(text: str) -> float:
        text = plain(text)
        try:
            value = convert(text) if text.isascii() and len(text) <= _LONGEST_NUMBER else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise WrongValueError(f"is not {noun}")
        if not low <= value <= high:
            raise WrongValueError("is out of range")
        return value

    return Kind(read, f"{noun}{unit and f' of {unit}'} from {low} to {high}")


def host_name(*, longest: int = 253, numeric: bool = False) -> Kind:
    """Return the kind of host names, folded to lower case.

    These are rendered into sendmail maps, so nothing but dot-separated labels of letters, digits and inner hyphens
    passes (RFC 1123 2.1). `numeric` admits a last label of digits alone, and with it IPv4 addresses.
    """

    def read(text: str) -> str:
        name = plain(text).lower()
        labels = name.split(".")
        if len(name) > longest or not all(map(_LDH_LABEL.fullmatch, labels)):
            raise WrongValueError("is not a host name of letters, digits and inner hyphens")
        if not numeric and labels[-1].isdigit():
            raise WrongValueError("ends in digits as an IP address does")
        return name

    example = "imap.mail.example.com" if numeric else "mail.example.com (an internationalised one by its xn-- form)"
    return Kind(read, f"a host name such as {example}")


def without_credentials(url: str) -> str:
    """Return a URL, well formed or not, without user name, password, query and fragment."""
    credentials, at, rest = url.rpartition("@")
    scheme = re.match(r"https?://", credentials)
    rest = re.sub(r"[?#].*", "?...", rest, flags=re.DOTALL)
    return f"{scheme[0] if scheme else ''}...@{rest}" if at else rest


def host_alone(url: str) -> str:
    """Return what may be shown of a URL whose path is the secret: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def _split_url(text: str) -> SplitResult:
    if not re.fullmatch(r"[!-~]+", text):
        raise WrongValueError("is not a URL")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise WrongValueError("is not a URL") from error
    if parts.scheme not in {"http", "https"} or not _URL_HOST.fullmatch(host) or port == 0:
        raise WrongValueError("is not an http or https URL with a host")
    return parts


def url(wanted: str, *, path: str = r"[!-~]*", private: bool = False) -> Kind:
    """Return the kind of http and https URLs whose path matches a pattern as a whole.

    A private URL may carry credentials and a query, and is shown by its host alone; any other may not.
    """

    def read(text: str) -> str:
        text = plain(text)
        parts = _split_url(text)
        if not private and ("@" in parts.netloc or parts.query or parts.fragment):
            raise WrongValueError("carries credentials, a query or a fragment")
        if not re.fullmatch(path, parts.path):
            raise WrongValueError("has a path of another form")
        return text

    return Kind(read, wanted, host_alone if private else without_credentials)


def _read_loopback(text: str) -> Endpoint | None:
    if (text := plain(text).lower()) in _TRUTH and not _TRUTH[text]:
        return None
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise WrongValueError("is not an address and a port") from error
    if not address.is_loopback:
        raise WrongValueError("is not on loopback, where nobody else comes")
    return Endpoint(str(address), cast("int", whole(1, 65_535).read(port)))


LOOPBACK = Kind(_read_loopback, "an address of loopback and a port, such as 127.0.0.1:9180, or off")


def absolute_path(noun: str) -> Kind:
    """Return the kind of absolute paths below the root folder."""

    def read(text: str) -> Path:
        path = Path(plain(text))
        if not path.is_absolute():
            raise WrongValueError("is not an absolute path")
        if not path.name:
            raise WrongValueError("is the root folder")
        return path

    return Kind(read, f"the absolute path of {noun}")


def _read_socket(text: str) -> Path:
    path = absolute_path("a socket").read(text)
    if not isinstance(path, Path) or len(str(path).encode()) > _SOCKET_PATH_BYTES:
        raise WrongValueError(f"is longer than the {_SOCKET_PATH_BYTES} bytes that a UNIX socket's path may have")
    return path


SOCKET = Kind(_read_socket, "the absolute path of a UNIX socket")


def pem(label: str, wanted: str) -> Kind:
    """Return the kind of secrets in PEM (RFC 7468) that hold at least one block whose label ends in `label`."""

    def read(text: str) -> Secret:
        if _CONTROL_IN_PEM.search(text):
            raise WrongValueError("holds a control character")
        if not any(found.endswith(label) for found in _PEM_BEGIN.findall(text)):
            raise WrongValueError(f"has no line -----BEGIN {label}-----")
        return Secret(text)

    return Kind(read, wanted, lambda _: MASK)


def password(shortest: int) -> Kind:
    """Return the kind of passwords of one line with at least so many characters."""

    def read(text: str) -> Secret:
        plain(text)
        if len(text) < shortest:
            raise WrongValueError("is too short to be safe from guessing")
        return Secret(text)

    return Kind(read, f"a password of one line and at least {shortest} characters", lambda _: MASK)


class Networks(tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]):
    """IP networks, written with blanks between them."""

    __slots__ = ()

    def __str__(self) -> str:
        return " ".join(map(str, self))


def _read_networks(text: str) -> Networks:
    try:
        return Networks(map(ipaddress.ip_network, plain(text).split()))
    except ValueError as error:
        raise WrongValueError("is not a list of networks") from error


NETWORKS = Kind(_read_networks, "networks with blanks between them, such as 10.0.0.0/16 2001:db8::/56")


class Domains(tuple[str, ...]):
    """Domains, written with blanks between them."""

    __slots__ = ()

    def __str__(self) -> str:
        return " ".join(self)


def _read_domains(text: str) -> Domains:
    name = host_name()
    domains = Domains(str(name.read(each)) for each in plain(text).split())
    if not domains or not all("." in each for each in domains):
        raise WrongValueError("is not a list of domains")
    return domains


DOMAINS = Kind(_read_domains, "domains with blanks between them, such as example.com example.org (xn-- forms)")


def _read_ipv4_networks(text: str) -> Networks:
    networks = _read_networks(text)
    if any(network.version != 4 for network in networks):  # noqa: PLR2004
        raise WrongValueError("holds an IPv6 network, from which nobody comes")
    return networks


IPV4_NETWORKS = Kind(_read_ipv4_networks, "IPv4 networks with blanks between them, such as 10.0.1.0/24 10.0.2.0/24")
