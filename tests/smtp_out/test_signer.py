"""Nothing leaves unsigned: the shipped tables and configuration on a real opendkim, spoken to as sendmail would."""

import signal

import pytest

from tests.smtp_out.conftest import Session, Signer


def test_a_domain_that_the_tables_know_is_signed_for_under_its_name(signer: Signer) -> None:
    assert signer.sends("shop@old.example.com", "shop@old.example.com") == ("old.example.com/cabal", "a")


def test_a_domain_that_the_tables_do_not_know_yet_is_signed_for_all_the_same(signer: Signer) -> None:
    assert signer.sends("shop@new.example.com", "shop@new.example.com") == ("new.example.com/cabal", "a")


def test_open_sessions_sign_on_across_a_reading_of_the_tables(signer: Signer) -> None:
    with Session(signer.socket) as session:
        assert session.message("shop@new.example.com", "shop@new.example.com")[0] == "new.example.com/cabal"
        signer.tables("old.example.com", "new.example.com")
        signer.process.send_signal(signal.SIGUSR1)
        for _ in range(20):
            assert session.message("shop@new.example.com", "shop@new.example.com")[0] == "new.example.com/cabal"
            assert signer.sends("shop@new.example.com", "shop@new.example.com")[0] == "new.example.com/cabal"
    assert signer.process.poll() is None


def test_it_signs_for_the_sender_that_sendmail_found_and_reads_nothing_into_the_header(signer: Signer) -> None:
    assert signer.sends("shop@old.example.com", '"a@new.example.com" <shop@old.example.com>')[0] == (
        "old.example.com/cabal"
    )
    assert signer.sends("shop@old.example.com", ",;(")[0] == "old.example.com/cabal"


@pytest.mark.parametrize("froms", [("shop@old.example.com", "x" * 2000), ("", "shop@old.example.com"), ()])
def test_a_message_with_another_from_or_none_is_refused_for_good(signer: Signer, froms: tuple[str, ...]) -> None:
    signed, answer = signer.sends("shop@old.example.com", *froms)
    assert signed is None
    assert answer == "r"


def test_a_message_is_put_off_while_the_key_cannot_be_read(signer: Signer) -> None:
    (signer.folder / "dkim.private").rename(signer.folder / "elsewhere")
    signed, answer = signer.sends("shop@old.example.com", "shop@old.example.com")
    assert signed is None
    assert answer.startswith(("t", "y4")), answer
