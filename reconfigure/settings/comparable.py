"""Settings in the form in which sendmail's rulesets can compare them with what they know of a client."""

import hashlib
import ssl
from ipaddress import IPv4Network

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_NUMBER_BITS = 8  # of each of an address's four numbers


def prefixes(network: IPv4Network) -> list[str]:
    """Return the first numbers, one to four with dots, that the network's addresses begin with and no others do.

    At most 256 of them.
    """
    numbers = max(1, -(-network.prefixlen // _NUMBER_BITS))
    parts = network.subnets(new_prefix=numbers * _NUMBER_BITS)
    return [".".join(str(part.network_address).split(".")[:numbers]) for part in parts]


def fingerprint(chain: str) -> str:
    """Return the SHA-256 of the first certificate in capitals with colons, as sendmail's {cert_fp} has it.

    That is the tier's own (SSL_CTX_use_certificate_chain_file(3)). Empty where there is none that can be read: then
    sendmail cannot read it either.

    Args:
        chain: certificates in PEM.
    """
    first = chain[chain.find(_BEGIN) :].partition(_END)[0] + _END
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest().hex(":").upper()
    except ValueError:
        return ""
