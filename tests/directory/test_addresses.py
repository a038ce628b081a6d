"""Which addresses may be rendered, and under which name: by example, and for any text at all by property."""

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconfigure.directory import syntax
from reconfigure.directory.syntax import Mailbox, Unfit

patient = settings(deadline=None)

# Written apart from the program's own expressions: what any map, list or shell can carry without a second thought.
SAFE = re.compile(r"[a-z0-9_&'=~][a-z0-9_.&'=~-]{0,63}@(?:[a-z0-9][a-z0-9-]{0,62}\.)+[a-z0-9][a-z0-9-]{0,62}", re.ASCII)

LABEL_63 = "a" * 63
DOMAIN_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "b" * 61])
DOMAIN_189 = ".".join([LABEL_63, LABEL_63, "b" * 58 + ".co"])


def code(text: str) -> str:
    judged = syntax.mailbox(text)
    assert isinstance(judged, Unfit), judged
    return judged.code


@pytest.mark.parametrize(
    "text",
    [
        "shop@acme.example.com",
        "a@b.co",
        "first.last@example.com",
        "o'brien@example.com",
        "_dmarc-reports@example.com",
        "a=b~c&d@example.com",
        "x" * 64 + "@example.com",
        f"a@{LABEL_63}.example.com",
        "a@1-2.3.example.c0m",
        f"{'x' * 64}@{DOMAIN_189}",
    ],
)
def test_a_canonical_address_is_taken_as_it_is(text: str) -> None:
    assert syntax.mailbox(text) == Mailbox(text, text.partition("@")[2])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Shop@ACME.Example.COM", "shop@acme.example.com"),
        ("SHOP@acme.example.com", "shop@acme.example.com"),
        ("shop@münchen.example", "shop@xn--mnchen-3ya.example"),
        ("shop@XN--MNCHEN-3YA.example", "shop@xn--mnchen-3ya.example"),
        ("shop@straße.example", "shop@xn--strae-oqa.example"),
        ("shop@例え.テスト", "shop@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_case_and_internationalised_domains_fold_to_one_name(text: str, name: str) -> None:
    assert syntax.mailbox(text) == Mailbox(name, name.partition("@")[2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "address-syntax"),
        ("shop", "address-syntax"),
        ("a@b@example.com", "address-syntax"),
        ('"a@b"@example.com', "address-syntax"),
        ("@example.com", "local-part-empty"),
        ("x" * 65 + "@example.com", "local-part-length"),
        ("x" * 10_000 + "@example.com", "local-part-length"),
        ("shop+tag@example.com", "local-part-detail"),
        ("+@example.com", "local-part-detail"),
        (f"a@{DOMAIN_253}", "address-length"),
        (f"{'x' * 64}@{DOMAIN_189}x", "address-length"),
        (f"a@{DOMAIN_253}x", "domain-length"),
        ("a@" + "x." * 10_000 + "com", "domain-length"),
        ("a@" + ".".join(["ü" * 50] * 5), "domain-length"),
        ("a@", "domain-syntax"),
        ("a@localhost", "domain-syntax"),
        ("a@example.com.", "domain-syntax"),
        ("a@.example.com", "domain-syntax"),
        ("a@example..com", "domain-syntax"),
        ("a@-example.com", "domain-syntax"),
        ("a@example-.com", "domain-syntax"),
        (f"a@{LABEL_63}a.com", "domain-syntax"),
        ("a@192.0.2.1", "domain-syntax"),
        ("a@[192.0.2.1]", "domain-syntax"),
        ("a@exa_mple.com", "domain-syntax"),
        ("a@*.example.com", "domain-syntax"),
        ("a@example.com\n", "domain-syntax"),
        ("a@example.com\0", "domain-syntax"),
        ("a@example.com\tRELAY", "domain-syntax"),
        ("a@example.com #", "domain-syntax"),
        ("a@xn--a.example.com", "domain-idn"),
        ("a@xn--.example.com", "domain-idn"),
        ("a@xn--example-.com", "domain-idn"),
        ("a@MÜNCHEN.example", "domain-idn"),
        ("a@\ud800.example", "domain-idn"),
    ],
)
def test_what_breaks_the_rules_is_refused_by_name(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    "local",
    [
        *("a b", "a\tb", "a\nb", "a\rb", "a\0b", "a\vb", "a\x7fb", "a\x85b", "a\u2028b"),
        *("|/bin/sh", ":include:/etc/passwd", "/dev/null", "/home/alice/x", '"a"', "'|sh'", "#a", "-a", "--help"),
        *("a,b", "a;b", "a:b", "a|b", "a/b", "a\\b", "a%b", "a!b", "a$b", "$(id)", "`id`", "a*", "a?", "a{b}", "a^b"),
        *(".a", "a.", "a..b", "<a>", "(a)a", "a\u0308"),
    ],
)
def test_hostile_local_parts_are_refused(local: str) -> None:
    assert code(f"{local}@example.com") == "local-part-characters"


LOOK_ALIKES = {
    "Kelvin sign": "\u212a",
    "long s": "\u017f",
    "dotless i": "\u0131",
    "dotted I": "\u0130",
    "fullwidth a": "\uff41",
    "fullwidth at": "\uff20",
    "fullwidth full stop": "\uff0e",
    "ideographic full stop": "\u3002",
    "halfwidth ideographic full stop": "\uff61",
    "one dot leader": "\u2024",
    "soft hyphen": "\u00ad",
    "zero width space": "\u200b",
    "right-to-left override": "\u202e",
    "fullwidth digit": "\uff11",
    "ligature": "\ufb01",
    "small commercial at": "\ufe6b",
}


@pytest.mark.parametrize("character", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_look_alikes_are_not_taken_for_what_they_look_like(character: str) -> None:
    assert code(f"a{character}b@example.com") == "local-part-characters"
    judged = syntax.mailbox(f"shop@a{character}b.example.com")
    assert isinstance(judged, Unfit) or judged.domain.startswith("xn--")  # the dotless i has an A-label of its own


def test_no_character_that_unicode_folds_to_ascii_becomes_ascii() -> None:
    folding = [
        character
        for character in map(chr, range(0x80, 0x30000))
        if any(form.isascii() and form for form in (unicodedata.normalize("NFKC", character), character.casefold()))
    ]
    assert len(folding) > 1000
    for character in folding:
        assert isinstance(syntax.local_part(f"a{character}b"), Unfit), hex(ord(character))
        domain = syntax.domain(f"a{character}b.example.com")
        assert isinstance(domain, Unfit) or domain.startswith("xn--"), hex(ord(character))


pieces = st.sampled_from(
    [*"aZ09.-_+@ \t\n\r\0|:/\"'#<>%!,;=~&\\", "xn--", "example.com", *LOOK_ALIKES.values(), "é", "x" * 63]
)
anything = st.text() | st.lists(pieces, max_size=12).map("".join)


@patient
@given(anything)
@example("a@b.c\n")
def test_whatever_is_taken_is_safe_and_within_the_limits(text: str) -> None:
    judged = syntax.mailbox(text)
    if isinstance(judged, Mailbox):
        assert SAFE.fullmatch(judged.name)
        local, _, host = judged.name.partition("@")
        assert judged.domain == host
        assert ".." not in local
        assert not local.endswith(".")
        assert len(judged.name) <= 254
        assert not host.rpartition(".")[2].isdigit()
        assert not any(label.endswith("-") for label in host.split("."))


@patient
@given(anything, anything)
def test_folding_is_idempotent_and_blind_to_ascii_case(local: str, host: str) -> None:
    judged = syntax.mailbox(f"{local}@{host}.example")
    if isinstance(judged, Mailbox):
        assert syntax.mailbox(judged.name) == judged
        assert syntax.mailbox(judged.name.upper()) == judged


@patient
@given(anything)
def test_every_refusal_is_one_line_of_printable_ascii(text: str) -> None:
    for judged in (syntax.mailbox(text), syntax.mailbox(f"a@{text}"), syntax.user_name(text)):
        if isinstance(judged, Unfit):
            assert judged.detail.isascii()
            assert judged.detail.isprintable()
            assert len(judged.detail) < 250
