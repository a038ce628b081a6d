"""What the running sendmail answers at RCPT, asked on this machine's port 25; no message is sent."""

import smtplib

from reconfigure.explaining.chain import Link
from reconfigure.settings import Tier

PORT = 25
SECONDS = 5.0
WHERE = "daemon"
_LAST_GOOD = 299


def ask(tier: Tier, address: str, taken: bool | None, *, host: str = "127.0.0.1", port: int = PORT) -> Link:  # noqa: FBT001
    """Ask the tier's sendmail about a recipient.

    Args:
        tier: smtp-out is not asked: submission answers to those who log in.
        address: the recipient.
        taken: whether the live map takes it; None when that is not known.
        host: where it listens.
        port: there.
    """
    if tier is Tier.SMTP_OUT:
        return Link(where=WHERE, state="skipped", says=("submission answers only to those who have logged in",))
    try:
        with smtplib.SMTP(host, port, local_hostname="localhost.localdomain", timeout=SECONDS) as smtp:
            smtp.ehlo()
            smtp.mail("")
            code, text = smtp.rcpt(address)
    except ConnectionRefusedError:
        return Link(
            where=WHERE,
            state="skipped",
            says=(f"nothing listens on {host} port {port}; 'supervisorctl status' shows what runs",),
        )
    except (OSError, smtplib.SMTPException) as error:
        return Link(where=WHERE, state="unknown", says=(f"asking {host} port {port} failed: {error}",))
    said = f"RCPT TO:<{address}> -> {code} {text.decode('ascii', 'backslashreplace')}"
    if taken is None:
        return Link(where=WHERE, state="unknown", says=(said,))
    if (code <= _LAST_GOOD) == taken:
        return Link(where=WHERE, state="fits", says=(said,))
    return Link(where=WHERE, state="differs", says=(said, "that is not what its live map says"))
