"""A signature says in our results what it is and nothing more: the shipped verifier, asked after the milter."""

import base64
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reconfigure.milter.signatures import LONGEST, MOST, is_plain
from reconfigure.rendering import Renderer
from reconfigure.tiers import load_manifest
from tests.daemons.test_opendkim import OPENDKIM, Milter
from tests.milter.conftest import WITHIN, Filter, Relay
from tests.sendmail.configured import ROOT, configure

GOOD = "v=1; a=rsa-sha256; c=relaxed/simple; d=evil.example; s=sel; h=from; bh=AAAA; b=AA+/A=="

PLAIN = {
    "folded": "v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n\td=mail.example.com; s=20230601; t=1; x=2; darn=x;\r\n"
    " h=from:to:subject:date;\r\n bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n b=AA+/\r\n  BB==",
    "with an identity": f"{GOOD}; i=some.one+tag@evil.example",
    "with an identity that is a domain": f"{GOOD}; i=@evil.example;",
    "with a copy of the header": f"{GOOD}; z=From:a=40b|Subject:x=20y",
    "no blanks": GOOD.replace(" ", ""),
    "underscores": GOOD.replace("s=sel", "s=my_sel.of_it"),
}
STRANGE = {
    "encoded semicolon in the identity": f"{GOOD}; i=x=3Bdkim=3Dpass=20header.d=3Dbank.example@evil.example",
    "encoded letter in the identity": f"{GOOD}; i=x=41@evil.example",
    "tag in upper case": f"{GOOD}; I=x=3Bdkim=3Dpass@evil.example",
    "identity in quotes": f'{GOOD}; i="x"@evil.example',
    "blank in the identity": f"{GOOD}; i=x header.d=bank.example@evil.example",
    "comment in the identity": f"{GOOD}; i=x(@evil.example",
    "two identities": f"{GOOD}; i=@evil.example; i=x=3B@evil.example",
    "blank in the selector": GOOD.replace("s=sel", "s=sel header.d=bank.example"),
    "folded selector": GOOD.replace("s=sel", "s=sel\r\n header.d=bank.example"),
    "blank in the domain": GOOD.replace("d=evil", "d=bank.example header.x=evil"),
    "comment in the domain": GOOD.replace("d=evil", "d=(evil"),
    "comment in the digest": GOOD.replace("b=AA+", "b=(A+"),
    "strange algorithm": GOOD.replace("a=rsa-sha256", "a=rsa header.d=bank.example"),
    "too long": GOOD.replace("d=evil", f"d={'x' * LONGEST}"),
    "no domain": GOOD.replace("d=evil.example; ", ""),
    "no tags": "dkim=pass",
    "empty": "",
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN.keys())
def test_a_signature_as_signers_write_them_is_shown_to_the_verifier(value: str) -> None:
    assert is_plain(f" {value}".encode())


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE.keys())
def test_a_signature_that_could_be_reported_as_another_is_not(value: str) -> None:
    assert not is_plain(f" {value}".encode())


@pytest.mark.parametrize("length", [10_000, 60_000])
@pytest.mark.parametrize("piece", [" ", ";", "=", "a=", "a ", "\t;", ".", "d=a.", "i=@"])
def test_nothing_takes_long_to_be_looked_at(length: int, piece: str) -> None:
    """Were one of the shapes looked for in more ways than one, this would not end."""
    assert not is_plain((piece * (length // len(piece))).encode())


@pytest.fixture
def signed() -> tuple[str, bytes]:
    """A domain's public record, and its private key."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 it guards nothing
    public = base64.b64encode(made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    private = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return f"sel._domainkey.evil.example v=DKIM1; k=rsa; p={public.decode()}\n", private


@pytest.fixture
def verifier(safe: Path, tmp_path: Path, signed: tuple[str, bytes]) -> Iterator[Path]:
    """The shipped verifier on a socket, with a name service of its own in a file."""
    assert OPENDKIM.exists(), "opendkim is needed: apt-get install -y --no-install-recommends opendkim"
    renderer = Renderer(load_manifest(ROOT / "templates", "smtp-in"), ROOT / "templates", {})
    shipped = renderer.static("opendkim.conf.j2", {"cert_domain": "control.example"}).decode("ascii")
    own = re.sub(r"(?m)^(UserID|UMask|Socket|PidFile|Syslog) .*\n", "", shipped)
    (tmp_path / "dns").write_text(signed[0])
    own += f"Socket local:{safe}/opendkim\nPidFile {tmp_path}/opendkim.pid\nTestDNSData file:{tmp_path}/dns\n"
    (tmp_path / "opendkim.conf").write_text(own)
    process = subprocess.Popen([str(OPENDKIM), "-f", "-x", str(tmp_path / "opendkim.conf")], env={**os.environ})
    try:
        deadline = time.monotonic() + WITHIN
        while not (safe / "opendkim").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield safe / "opendkim"
    finally:
        process.terminate()
        process.wait(WITHIN)


WORDS = "=3B =20 =0A dkim=pass header.d=bank.example evil.example i= d= s= I= x"
PIECES = [*WORDS.split(), *"{}`%$|:<>!~#*&'-_+/,.@=", *'();"\\ \t', "\n "]
FORM = "v=1; a=rsa-sha256; c=relaxed/simple; d={}evil.example; s=sel{}; h=from; i={}@evil.example; bh=AAAA; b=AA{};{}"
# One result with all that belongs to it and nothing else, or a word about the message as a whole.
WORD = r"dkim=\w+(?: \([a-z /]*\))?"
RESULT = (
    r'dkim=\w+(?: reason="[^"]*")?(?: \([^()]*\))? header\.d=[\w.-]+ header\.i=[^\s;()"=,\\]*@[\w.-]+ '
    r'header\.a=[\w-]+ header\.s=[\w.-]+ header\.b="?[A-Za-z0-9+/=]+"?(?:;\s+dkim-atps=\w+)?'
)
REPORT = re.compile(rf"\s*control\.example;\s+(?:{WORD}|{RESULT})\s*")
CASES = 20_000  # of which one in twenty is plain


def made(random: Random) -> str:
    """Return a signature with strange pieces in some of its tags, or between them."""
    return FORM.format(*("".join(random.choices(PIECES, k=random.choice((0, 0, 0, 1, 2, 4)))) for _ in range(5)))


def reports(verifier: Path, values: list[str]) -> Iterator[tuple[str, str]]:
    """Ask the verifier about messages with one signature each, and return what it writes about each."""
    with Milter(verifier) as session:
        for value in values:
            session.step(b"M", b"<someone@evil.example>\0")
            session.step(b"R", b"<shop@acme.example.com>\0")
            for name, text in (("DKIM-Signature", f" {value}"), ("From", " ceo@bank.example"), ("Subject", " x")):
                session.step(b"L", name.encode() + b"\0" + text.encode() + b"\0")
            session.tell(b"N")
            if session.answer()[0] != b"c":
                continue  # it has nothing to say about this one
            session.step(b"B", b"A few words.\r\n")
            session.tell(b"E")
            while (packet := session.answer())[0] in {b"i", b"h"}:
                yield value, packet[1].partition(b"Authentication-Results\0")[2].rstrip(b"\0").decode(errors="replace")


def test_whatever_is_plain_is_reported_as_one_result(verifier: Path) -> None:
    random = Random(6376)  # noqa: S311
    cases = [made(random) for _ in range(CASES)]
    plain = [case for case in cases if is_plain(case.encode())]
    strange = [case for case in cases if not is_plain(case.encode())][: len(plain)]

    found = list(reports(verifier, plain))
    assert len(found) > CASES // 100
    assert [each for each in found if not REPORT.fullmatch(each[1])] == []
    assert [each for each in reports(verifier, strange) if not REPORT.fullmatch(each[1])], "nothing strange was tried"


@pytest.fixture
def relay(verifier: Path, milter: Filter, tmp_path: Path) -> Relay:
    """The relay, which asks the milter, the verifier, and the milter again."""
    filters = {"verdicts": milter.socket, "opendkim": verifier, "results": milter.socket.with_name("results")}
    made = configure("smtp-in", tmp_path, filters=filters)
    (tmp_path / "queue").mkdir(mode=0o700)
    return Relay(made)


def results(relay: Relay) -> list[str]:
    [fields] = relay.queued()
    return [field for field in fields if field.startswith("Authentication-Results:")]


def test_a_good_signature_is_reported_in_our_name(relay: Relay, signed: tuple[str, bytes]) -> None:
    message = b"From: someone@evil.example\r\nSubject: x\r\n\r\nA few words.\r\n"
    signature = dkim.sign(message, b"sel", b"evil.example", signed[1], include_headers=[b"from", b"subject"]).decode()
    header = [signature.strip(), "From: someone@evil.example", "Subject: x"]

    assert relay.takes(["Authentication-Results: control.example; dkim=pass header.d=bank.example", *header]) == "250"

    [said] = results(relay)
    assert re.match(r"Authentication-Results: control\.example; dkim=pass .*header\.d=evil\.example", said), said
    assert "bank.example" not in said


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE.keys())
def test_no_signature_writes_a_result_of_its_own(relay: Relay, value: str) -> None:
    assert relay.takes([f"DKIM-Signature: {value}", "From: ceo@bank.example", "Subject: x"]) == "250"

    [said] = results(relay)
    assert "pass" not in said
    assert "bank" not in said


def test_no_more_results_are_written_than_there_is_room_for(relay: Relay) -> None:
    longest = GOOD.replace("d=evil", f"d={'.'.join(['x' * 50] * 2)}.evil")
    assert is_plain(longest.encode())

    assert relay.takes([f"DKIM-Signature: {longest}"] * 40 + ["From: a@evil.example", "Subject: x"]) == "250"

    [said] = results(relay)
    assert said.count("dkim=") == MOST
    assert said.count("header.b=") == MOST, "the field was cut off"
