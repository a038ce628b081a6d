"""Whole passes on an AWS double over HTTP: what goes live, is held, approved or rolled back, and what is left alone."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconfigure import inbox
from reconfigure.errors import GenerationError
from reconfigure.outcome import Outcome
from reconfigure.report import Reporter
from reconfigure.reporting import status
from reconfigure.reporting.reports import QueueReport
from reconfigure.runbooks import Runbook
from reconfigure.standing import look
from reconfigure.tiers import Reload
from tests.generations.conftest import MANY

MakeTier = Callable[..., Any]
Seen = Callable[[Path], dict[str, Any]]


def outcome(tier: Any) -> str:
    result = tier.pass_()
    assert tier.store.is_sound(tier.store.active())
    return str(result.outcome)


def test_the_first_pass_makes_what_the_sources_say_live(imap: Any) -> None:
    assert "to:shop7@acme.example.com\tRELAY\n" in imap.served()
    assert "alice:x:2001:2001" in imap.served("passwd/passwd")
    assert imap.store.before() is None


def test_a_changed_source_is_live_after_the_next_pass(imap: Any) -> None:
    imap.put("new@acme.example.com", user="bob")
    result = imap.pass_()
    assert (result.outcome, result.changes) == (Outcome.CHANGED, {"addresses gained": 1})
    assert "new@acme.example.com\tbob\n" in imap.served("mail/virtusertable")
    assert imap.store.before().id == result.active.parent


def test_that_messages_cannot_be_received_stays_in_the_status_until_they_can_be(imap: Any) -> None:
    loop, by_hand = Reporter(imap.settings, None), Reporter(imap.settings, None)

    def said() -> str | None:
        document = status.read(imap.settings.state_dir / status.STATUS_NAME)
        assert document is not None
        assert document.queue is not None
        return document.queue.receive_error

    loop.finish(imap.pass_())
    loop.saw(inbox.Seen(QueueReport(seen="2026-11-24T08:00:00+00:00", visible=3), None), oldest=None)
    loop.received(error="receiving is denied")
    assert said() == "receiving is denied"
    by_hand.finish(imap.pass_())
    assert said() == "receiving is denied"
    standing = look(imap.settings, now=datetime.now(UTC))
    assert standing.health.status == "degraded"
    assert standing.runbook is Runbook.QUEUE_GROWING
    loop.received(error=None)
    assert said() is None


def test_a_pass_with_nothing_to_do_writes_only_the_status(imap: Any, seen: Seen) -> None:
    reporter = Reporter(imap.settings, None)
    reporter.finish(imap.pass_())
    written = imap.settings.state_dir / "status.json"
    generations = seen(imap.store.folder)
    others = {path: facts for path, facts in seen(imap.settings.state_dir).items() if path != "status.json"}
    homes = seen(imap.settings.homes_dir)
    folder = imap.store.folder.stat()
    before = written.read_text()
    for _ in range(2):
        result = imap.pass_()
        assert result.outcome is Outcome.UNCHANGED
        reporter.finish(result)
    assert seen(imap.store.folder) == generations
    assert imap.store.folder.stat().st_mtime_ns == folder.st_mtime_ns
    assert {path: facts for path, facts in seen(imap.settings.state_dir).items() if path != "status.json"} == others
    assert seen(imap.settings.homes_dir) == homes
    assert written.read_text() != before


@pytest.mark.parametrize("path", ["mail/access.db", "passwd/passwd"])
def test_a_live_file_that_went_missing_is_back_after_the_next_pass(imap: Any, path: str) -> None:
    (imap.store.current / path).unlink()
    assert outcome(imap) == "changed"
    assert (imap.store.current / path).is_file()
    assert outcome(imap) == "unchanged"


@pytest.mark.parametrize("folder", [".", "mail"])
def test_a_live_generation_that_nobody_can_enter_is_built_anew(imap: Any, folder: str) -> None:
    (imap.store.current / folder).chmod(0o700)
    assert outcome(imap) == "changed"
    assert (imap.store.current / folder).stat().st_mode & 0o777 == 0o755
    assert outcome(imap) == "unchanged"


def test_a_live_generation_that_went_missing_is_built_anew(imap: Any) -> None:
    for path in sorted(imap.store.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert outcome(imap) == "changed"
    assert "to:shop7@acme.example.com" in imap.served()


def test_too_great_a_loss_is_held_and_the_old_world_serves(imap: Any, seen: Seen) -> None:
    active = imap.store.active()
    imap.drop(*MANY[:15])
    result = imap.pass_()
    assert (result.outcome, result.active, result.held.lost["addresses"]) == (Outcome.HELD, active, 15)
    assert "15 of 20 addresses would be gone, more than 30% in one pass" in result.reason
    assert imap.store.held() == result.held
    assert imap.store.active() == active
    before = seen(imap.store.folder)
    again = imap.pass_()
    assert (again.outcome, again.held) == (Outcome.HELD, result.held)
    assert seen(imap.store.folder) == before


def test_an_empty_table_is_held(imap: Any) -> None:
    imap.drop(*MANY)
    result = imap.pass_()
    assert result.outcome is Outcome.HELD
    assert "the address table is empty" in result.reason
    assert "to:shop7@acme.example.com" in imap.served()


def test_approve_applies_exactly_what_is_held_and_once(imap: Any) -> None:
    imap.drop(*MANY[:15])
    held = imap.pass_().held
    imap.drop(MANY[15])  # comes after what the operator looked at
    with pytest.raises(GenerationError, match=f"nope is not held; held is {held.id}"):
        imap.reconciler.approve("nope")
    manifest, _ = imap.reconciler.approve(held.id)
    assert manifest.id == held.id == imap.store.active().id
    assert f"to:{MANY[15]}\t" in imap.served()
    assert imap.store.held() is None
    with pytest.raises(GenerationError, match="nothing is held"):
        imap.reconciler.approve()
    assert outcome(imap) == "changed"
    assert f"to:{MANY[15]}\t" not in imap.served()
    assert outcome(imap) == "unchanged"


def test_what_was_approved_is_what_the_source_says_so_the_next_pass_has_nothing_to_do(imap: Any) -> None:
    imap.drop(*MANY[:15])
    imap.pass_()
    imap.reconciler.approve()
    assert outcome(imap) == "unchanged"


def test_a_damaged_candidate_is_not_approved(imap: Any) -> None:
    imap.drop(*MANY[:15])
    result = imap.pass_()
    (imap.store.path(result.held.id) / "mail" / "access.db").write_bytes(b"")
    with pytest.raises(GenerationError, match=f"{result.held.id} was changed or damaged"):
        imap.reconciler.approve()
    assert imap.store.active() == result.active


@pytest.mark.parametrize("read_again", ["as before", "with a harmless change"])
def test_a_good_read_releases_what_was_held(imap: Any, read_again: str) -> None:
    imap.drop(*MANY[:15])
    held = imap.pass_().held
    imap.put(*MANY[:15])
    if read_again == "with a harmless change":
        imap.put("new@acme.example.com")
    assert outcome(imap) == ("unchanged" if read_again == "as before" else "changed")
    assert imap.store.held() is None
    assert imap.store.active().id != held.id


def test_another_bad_read_is_held_in_place_of_the_first(imap: Any) -> None:
    imap.drop(*MANY[:15])
    first = imap.pass_().held
    imap.drop(MANY[15])
    second = imap.pass_().held
    assert second.id != first.id
    assert imap.store.held() == second


def test_a_first_generation_that_would_be_empty_is_held(tier: MakeTier) -> None:
    imap = tier("imap")
    result = imap.pass_()
    assert (result.outcome, result.active) == (Outcome.HELD, None)
    assert not imap.store.current.is_symlink()
    imap.reconciler.approve()
    assert imap.store.active().counts["addresses"] == 0


def test_rollback_goes_to_any_generation_by_its_id(imap: Any) -> None:
    first = imap.store.active()
    for name in ("a", "b"):
        imap.put(f"{name}@acme.example.com")
        imap.pass_()
    assert imap.reconciler.rollback(first.id, by="operator")[0] == first
    with pytest.raises(GenerationError, match="there is no generation 'nope'"):
        imap.reconciler.rollback("nope", by="operator")
    with pytest.raises(GenerationError, match=f"{first.id} is active already"):
        imap.reconciler.rollback(first.id, by="operator")
    assert imap.store.active() == first


def test_rollback_with_nothing_before_is_said(imap: Any) -> None:
    with pytest.raises(GenerationError, match="there is no generation before the active one"):
        imap.reconciler.rollback(by="operator")


def test_rollback_to_a_damaged_generation_is_refused(imap: Any) -> None:
    first = imap.store.active()
    imap.put("new@acme.example.com")
    second = imap.pass_().active
    (imap.store.path(first.id) / "mail" / "access").write_text("")
    with pytest.raises(GenerationError, match=f"{first.id} was changed or damaged"):
        imap.reconciler.rollback(by="operator")
    assert imap.store.active() == second
    assert outcome(imap) == "unchanged"
    assert imap.store.held() is None


def test_homes_of_users_are_there_when_the_pass_ends_and_stay_when_they_go(imap: Any) -> None:
    homes = imap.settings.homes_dir
    assert sorted(path.name for path in homes.iterdir()) == ["alice", "bob", "carol"]
    imap.enroll("dave", 2004)
    assert outcome(imap) == "changed"
    assert (homes / "dave").is_dir()
    imap.aws.cognito.admin_delete_user(UserPoolId=imap.settings.cognito_pool_id, Username="dave")
    assert outcome(imap) == "changed"
    assert "dave" not in imap.served("passwd/passwd")
    assert (homes / "dave").is_dir()


def test_a_home_that_went_missing_is_made_by_a_pass_with_nothing_else_to_do(imap: Any) -> None:
    (imap.settings.homes_dir / "bob").rmdir()
    assert outcome(imap) == "unchanged"
    assert (imap.settings.homes_dir / "bob").is_dir()


def test_a_home_that_cannot_be_made_is_degraded_and_the_generation_is_live(tier: MakeTier, tmp_path: Path) -> None:
    imap = tier("imap")
    imap.put(*MANY)
    (tmp_path / "home").write_text("in the way")
    result = imap.pass_()
    assert result.outcome is Outcome.DEGRADED
    assert "making homes" in result.reason
    assert imap.store.active() == result.active
    (tmp_path / "home").unlink()
    assert outcome(imap) == "unchanged"


@pytest.mark.parametrize("kind", ["smtp-in", "smtp-out"])
def test_only_the_delivery_tier_makes_homes(tier: MakeTier, kind: str) -> None:
    relay = tier(kind)
    relay.put(*MANY)
    assert outcome(relay) == "changed"
    assert not relay.settings.homes_dir.exists()


def test_a_reload_is_needed_exactly_when_its_files_change(tier: MakeTier) -> None:
    out = tier("smtp-out")
    out.put(*MANY)

    def desired() -> dict[str, str]:
        found: dict[Reload, str] = out.reconciler.desired_reloads(out.pass_().active)
        return {reload.how: digest for reload, digest in found.items()}

    first = desired()
    assert first.keys() == {"signal:USR1", "restart"}
    out.put("more@acme.example.com")
    assert desired() == first
    out.put("more@another.example.com")
    second = desired()
    assert second["restart"] == first["restart"]
    assert second["signal:USR1"] != first["signal:USR1"]
    active = out.store.active()
    paths = ("opendkim/KeyTable", "opendkim/SigningTable")
    said = "".join(f"{path} {active.files[path].sha256}\n" for path in paths)
    assert second["signal:USR1"] == hashlib.sha256(said.encode()).hexdigest()


def test_a_source_that_cannot_be_read_leaves_everything_as_it_is(imap: Any, seen: Seen, tier: MakeTier) -> None:
    lost = tier("imap", ADDRESSES_TABLE="no-such-table", RECONFIGURE_READ_ATTEMPTS="1")
    before = seen(imap.store.folder)
    result = lost.pass_()
    assert (result.outcome, result.active) == (Outcome.FAILED, imap.store.active())
    assert seen(imap.store.folder) == before


def test_the_state_folder_holds_what_the_next_process_needs(imap: Any, tier: MakeTier) -> None:
    """Nothing is remembered in memory: another process finds the pass done, the candidate held."""
    imap.drop(*MANY[:15])
    held = imap.pass_().held
    other = tier("imap")
    result = other.pass_()
    assert (result.outcome, result.held) == (Outcome.HELD, held)
    document = json.loads((imap.settings.state_dir / "held.json").read_text())
    assert document["id"] == held.id
