"""Every address of the contract, and every hostile way of writing one, through the real rulesets and real maps."""

import pytest

from tests.sendmail.configured import Configured, configure

UNKNOWN = {"smtp-in": "550 5.1.1", "imap": "451 4.2.1"}
SUSPENDED = {"smtp-in": "550 5.2.1", "imap": "451 4.2.1"}
DANGLING = {"smtp-in": "450 4.2.1", "imap": "451 4.2.1"}
DENIED = dict.fromkeys(UNKNOWN, "550 5.7.1")
OK = dict.fromkeys(UNKNOWN, "OK")

# Address at RCPT → answer of each tier, and where the delivery tier puts what it takes.
CASES: list[tuple[str, dict[str, str], str]] = [
    ("<shop@acme.example.com>", OK, "alice"),
    ("SHOP@Acme.Example.COM", OK, "alice"),
    ("shop+tag@acme.example.com", OK, "alice"),
    ("shop+a+b@acme.example.com", OK, "alice"),
    ("shop+@acme.example.com", OK, "alice"),
    ("shop@acme.example.com.", OK, "alice"),
    ('"shop"@acme.example.com', OK, "alice"),
    ('"shop+tag"@acme.example.com', OK, "alice"),
    ("o'neil.99_x=y&z~w-v@acme.example.com", OK, "bob"),
    ("team@acme.example.com", OK, "alice.bob"),
    ("team+x@acme.example.com", OK, "alice.bob"),
    ("half@acme.example.com", OK, "carol"),
    ("bob@example.net", OK, "bob"),
    ("postmaster", OK, "carol"),
    ("PostMaster", OK, "carol"),
    # RFC 5321 4.1.1.3: a source route is dropped, and the address at its end decides.
    ("@relay.example:shop@acme.example.com", OK, "alice"),
    ("sold@acme.example.com", SUSPENDED, ""),
    ("sold+tag@acme.example.com", SUSPENDED, ""),
    ("gone@acme.example.com", DANGLING, ""),
    ("none@acme.example.com", UNKNOWN, ""),
    ("none+shop@acme.example.com", UNKNOWN, ""),
    ("+shop@acme.example.com", UNKNOWN, ""),
    ("shop@example.net", UNKNOWN, ""),
    ("*@acme.example.com", UNKNOWN, ""),
    ('"sh op"@acme.example.com', UNKNOWN, ""),
    ('"|/bin/sh"@acme.example.com', UNKNOWN, ""),
    ('":include:/etc/passwd"@acme.example.com', UNKNOWN, ""),
    ("/etc/passwd@acme.example.com", UNKNOWN, ""),
    ("shop%example.net@acme.example.com", UNKNOWN, ""),
    ("example.net!shop@acme.example.com", UNKNOWN, ""),
    ("sh\u00f6p@acme.example.com", UNKNOWN, ""),
    ("alice.bob@acme.example.com", UNKNOWN, ""),
    ("someone@elsewhere.example", DENIED, ""),
    ("shop@sub.acme.example.com", DENIED, ""),
    ("shop@xacme.example.com", DENIED, ""),
    ("shop@com", DENIED, ""),
    ("shop%acme.example.com@localhost", DENIED, ""),
    ("someone%elsewhere.example@localhost", DENIED, ""),
    ("shop%acme.example.com", DENIED, ""),
    ("acme.example.com!shop", DENIED, ""),
    ("shop@acme.example.com%localhost", DENIED, ""),
    ("shop@acme.example.com:25", DENIED, ""),
    ("@relay.example:someone@elsewhere.example", DENIED, ""),
    ("shop@[127.0.0.1]", DENIED, ""),
    ("shop@localhost", DENIED, ""),
    ("shop@tier.control.example", DENIED, ""),
    ("alice", DENIED, ""),
    ("alice.bob", DENIED, ""),
    ("root", DENIED, ""),
    ("|/bin/sh", DENIED, ""),
    (":include:/etc/passwd", DENIED, ""),
    ("/etc/passwd", DENIED, ""),
    ("<>", DENIED, ""),
    ("shop@", dict.fromkeys(UNKNOWN, "553 5.1.3"), ""),
    ("@acme.example.com", dict.fromkeys(UNKNOWN, "553 5.1.3"), ""),
    ("shop@acme..example.com", dict.fromkeys(UNKNOWN, "553 5.1.2"), ""),
    ("shop@acme.example.com@localhost", dict.fromkeys(UNKNOWN, "553 5.1.3"), ""),
    ("someone@elsewhere.example@acme.example.com", dict.fromkeys(UNKNOWN, "553 5.1.3"), ""),
]
TIERS = ["smtp-in", "imap"]


@pytest.fixture(scope="module", params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def configured(tier: str, tmp_path_factory: pytest.TempPathFactory) -> Configured:
    return configure(tier, tmp_path_factory.mktemp(tier))


def test_each_address_gets_the_answer_that_the_contract_says(tier: str, configured: Configured) -> None:
    answers = configured.answers("check_rcpt", [address for address, _, _ in CASES])
    found = {case[0]: answer for case, answer in zip(CASES, answers, strict=True)}
    assert found == {address: expected[tier] for address, expected, _ in CASES}


def test_what_is_accepted_goes_where_its_row_says(tier: str, configured: Configured) -> None:
    taken = [case for case in CASES if case[1] is OK]
    answers = configured.answers("3,0", [address for address, _, _ in taken])
    for (address, _, user), answer in zip(taken, answers, strict=True):
        if tier == "imap":
            assert answer == f"local {user}", address
        else:
            assert answer.startswith("esmtp [imap.control.example] "), address


def test_a_hosted_domain_that_dns_does_not_know_yet_goes_where_the_others_go(tier: str, configured: Configured) -> None:
    """A domain has the dot at its end only if DNS knows it."""
    known, unknown = configured.answers("0", ["shop<@acme.example.com.>", "shop<@acme.example.com>"])
    if tier == "imap":
        assert (known, unknown) == ("local alice", "local alice")
    else:
        assert (
            known.removesuffix(".>")
            == unknown.removesuffix(">")
            == "esmtp [imap.control.example] shop<@acme.example.com"
        )


def test_nothing_ends_in_a_program_a_file_or_a_list(configured: Configured) -> None:
    answers = configured.answers("3,0", [address for address, _, _ in CASES])
    assert {answer.split()[0] for answer in answers} <= {"local", "esmtp", "553", "451"}
    mailers = configured.said("=M")
    local = next(line for line in mailers.splitlines() if "local)" in line or " local " in line or "(local" in line)
    flags = local.partition("F=")[2].split()[0].rstrip(",")
    assert not set(flags) & set("|/:w"), local


def test_mail_for_a_hosted_domain_that_is_in_the_queue_is_never_refused_for_good(configured: Configured) -> None:
    hosted = ["sold@acme.example.com", "gone@acme.example.com", "none@acme.example.com"]
    assert not [answer for answer in configured.answers("3,0", hosted) if answer.startswith("5")]


def test_a_sender_in_a_hosted_domain_is_not_looked_up(configured: Configured) -> None:
    senders = ["none@acme.example.com", "sold@acme.example.com"]
    assert not [answer for answer in configured.answers("3,0", senders, kind="e s") if answer.startswith(("4", "5"))]


def test_a_client_on_the_machine_itself_may_do_no_more_than_any_other(configured: Configured) -> None:
    said = configured.said(
        ".D{client_addr}127.0.0.1", ".D{client_name}localhost", "check_rcpt someone@elsewhere.example"
    )
    assert "5 . 7 . 1" in said.splitlines()[-2]


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_without_its_maps_a_tier_puts_mail_off_and_accepts_nothing(
    harm: str, tier: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = configure(tier, tmp_path_factory.mktemp("harmed"))
    for path in alone.maps.glob("*.db"):
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(b"not a map" * 1000)
    asked = ["shop@acme.example.com", "none@acme.example.com", "someone@elsewhere.example"]
    assert alone.answers("check_rcpt", asked) == ["451 4.3.0"] * 3
    assert alone.answers("3,0", asked[:1]) == ["451 4.3.0"]
