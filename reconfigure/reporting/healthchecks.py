"""One ping over HTTP, as the Healthchecks ping API wants it: the address, the request, and what the answer means.

https://healthchecks.io/docs/http_api/ is the source. The hosted service answers pings by UUID with 200 even when it
ignored them, and says so only in the body, so the body is read too. No URL leaves this module unmasked.
"""

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from reconfigure import __version__
from reconfigure.reporting.masking import MASK, mask_text, mask_url
from reconfigure.reporting.pings import Kind, Ping

BODY_LIMIT = 10_000  # bytes; hosted Healthchecks keeps 100 kB, a self-hosted one 10 kB unless told otherwise

_ANSWER_LIMIT = 200  # bytes read of an answer; a real one is "OK" or a few words
_CAUSE_LIMIT = 300
_SUFFIX = {Kind.START: "/start", Kind.SUCCESS: "", Kind.FAIL: "/fail"}
_REDIRECTS = range(300, 400)
_CREATED = {200, 201}  # 201: a slug with `?create=1` that did not exist before
_TOO_MANY = 429
_LASTING = range(400, 500)


class Verdict(NamedTuple):
    """What became of a ping: `problem` is None when it was delivered; a `lasting` one is not worth a quick retry."""

    problem: str | None = None
    lasting: bool = False


def address(url: str, ping: Ping) -> str:
    """Return the URL of a ping; a query in the check's URL, such as `?create=1`, is kept."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("rid", ping.rid)]
    path = parts.path.rstrip("/") + _SUFFIX[ping.kind]
    return parts._replace(path=path, query=urlencode(query), fragment="").geturl()


def limited(text: str) -> bytes:
    """Return the text as UTF-8 of at most `BODY_LIMIT` bytes, cut between characters and marked when cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= BODY_LIMIT:
        return data
    mark = b"\n(cut)"
    return data[: BODY_LIMIT - len(mark)].decode("utf-8", "ignore").encode() + mark


def load() -> None:
    """Load what pings travel by now, for a caller who is about to start a thread (why: `sources.aws.load`)."""
    import requests  # noqa: F401, PLC0415


def send(url: str, ping: Ping, *, timeout: float) -> Verdict:
    """Send one ping and say what came of it.

    Args:
        url: the check's ping URL, http or https.
        ping: what to say.
        timeout: seconds to connect, and again for each wait on the answer. A peer that drips can exceed it.
    """
    # Not at the top: 4 MB that a daemon without a ping URL does not need.
    import requests  # noqa: PLC0415

    where = mask_url(url)
    try:
        with requests.post(
            address(url, ping),
            data=limited(ping.body),
            headers={"User-Agent": f"reconfigure/{__version__}", "Content-Type": "text/plain; charset=utf-8"},
            timeout=(timeout, timeout),
            allow_redirects=False,
            stream=True,
        ) as response:
            answer = next(response.iter_content(_ANSWER_LIMIT), b"").decode("utf-8", "replace").strip()
            return _judge(response.status_code, answer, response.headers.get("Location", ""), where=where)
    except requests.ConnectTimeout:
        return Verdict(f"no connection to {where} within {timeout:g} s")
    except requests.Timeout:
        return Verdict(f"no answer from {where} within {timeout:g} s")
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError):
        return Verdict("the ping URL is not a valid http or https URL: set it to the one of the check", lasting=True)
    except requests.RequestException as error:
        return Verdict(f"ping to {where} failed: {_cause(error, url)}")


def _judge(code: int, answer: str, location: str, *, where: str) -> Verdict:
    if code in _REDIRECTS:
        # Not followed: a ping URL is a secret, and hosted Healthchecks redirects none.
        elsewhere = mask_url(location) if "://" in location else "another path of it"
        return Verdict(
            f"{where} answered {code}, a redirect to {elsewhere}, which is not followed: "
            "set the ping URL to the final address",
            lasting=True,
        )
    if code == _TOO_MANY or "rate limited" in answer:
        return Verdict(f"{where} ignored the ping: more than it takes of one check in a minute", lasting=True)
    if code in _CREATED and "not found" not in answer:
        return Verdict()
    said = f"{code} {mask_text(answer)[:60]!r}"
    if code in _CREATED or code in _LASTING:
        return Verdict(f"{where} answered {said}: the ping URL names no check that takes it", lasting=True)
    return Verdict(f"{where} answered {said}")


def _cause(error: Exception, url: str) -> str:
    """Return what went wrong below `requests`, whose own message repeats the URL."""
    wrapped = error.args[0] if error.args else error
    text = str(getattr(wrapped, "reason", None) or wrapped)
    path = urlsplit(url).path.strip("/")
    return mask_text(text.replace(path, MASK) if path else text)[:_CAUSE_LIMIT]
