"""Whole passes on an AWS double over HTTP: what goes live, is held, approved or rolled back, and what is left alone."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

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
    others = _but_reports(seen(imap.settings.state_dir))
    homes = seen(imap.settings.homes_dir)
    folder = imap.store.folder.stat()
    before = written.read_text()
    for _ in range(2):
        result = imap.pass_()
        assert result.outcome is Outcome.UNCHANGED
        reporter.finish(result)
    assert seen(imap.store.folder) == generations
    assert imap.store.folder.stat().st_mtime_ns == folder.st_mtime_ns
    assert _but_reports(seen(imap.settings.state_dir)) == others
    assert seen(imap.settings.homes_dir) == homes
    assert written.read_text() != before


def _but_reports(found: dict[str, Any]) -> dict[str, Any]:
    """Return what was seen without the status, and without the lock, whose time says whose turn it was."""
    return {path: facts for path, facts in found.items() if path not in {"status.json", "lock"}}


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


def test_addresses_that_would_be_other_users_are_counted_and_too_many_are_held(imap: Any) -> None:
    imap.put(*MANY[:6], user="bob")
    result = imap.pass_()
    assert (result.outcome, result.changes) == (Outcome.CHANGED, {"addresses reassigned": 6})
    imap.put(*MANY, user="carol")
    result = imap.pass_()
    assert result.outcome is Outcome.HELD
    assert "20 of 20 addresses would be other users', more than 30% in one pass" in result.reason
    assert "shop7@acme.example.com\talice\n" in imap.served("mail/virtusertable")


def test_users_who_would_have_other_uids_are_counted_and_more_than_one_is_held(imap: Any) -> None:
    def renumber(name: str, osid: int) -> None:
        attribute = {"Name": "custom:osid", "Value": str(osid)}
        pool = imap.settings.cognito_pool_id
        imap.aws.cognito.admin_update_user_attributes(UserPoolId=pool, Username=name, UserAttributes=[attribute])

    imap.put(MANY[0], user="bob")
    imap.pass_()
    renumber("alice", 2101)
    assert imap.pass_().changes == {"users renumbered": 1}
    for number, name in enumerate(("alice", "bob")):
        renumber(name, 2200 + number)
    result = imap.pass_()
    assert result.outcome is Outcome.HELD
    assert "2 of 2 users with addresses would have another UID, more than 1: their homes" in result.reason
    assert "alice:x:2101:2101" in imap.served("passwd/passwd")


def test_a_drain_in_small_steps_is_held_like_one_in_one_step_and_an_approval_is_what_to_go_by(imap: Any) -> None:
    imap.put(*(f"more{n}@acme.example.com" for n in range(20)))
    imap.pass_()
    imap.at(hours=30)  # what was served the whole day counts, though nothing was built in it
    gone = [*MANY, *(f"more{n}@acme.example.com" for n in range(20))]
    for address in gone[:12]:
        imap.at(minutes=20)
        imap.drop(address)
        assert imap.pass_().outcome is Outcome.CHANGED
    imap.drop(gone[12])
    result = imap.pass_()
    assert result.outcome is Outcome.HELD
    assert "27 addresses would be left of the 40 of the last day, more than 30% fewer" in result.reason
    imap.put(gone[12])
    assert imap.pass_().outcome is Outcome.UNCHANGED
    imap.drop(gone[12])
    imap.pass_()
    imap.reconciler.approve()
    imap.drop(gone[13])
    assert imap.pass_().outcome is Outcome.CHANGED


def test_a_drain_over_days_is_what_a_shrinking_service_looks_like(imap: Any) -> None:
    for address in MANY:
        imap.at(hours=5)
        imap.drop(address)
        if address is MANY[-1]:
            break
        assert imap.pass_().outcome is Outcome.CHANGED
    assert imap.pass_().outcome is Outcome.HELD  # empty is empty


def test_a_new_task_holds_what_is_far_less_than_the_floor(tier: MakeTier) -> None:
    imap = tier("imap", RECONFIGURE_GUARD_FLOOR="21")
    imap.put(*MANY)
    result = imap.pass_()
    assert (result.outcome, result.active) == (Outcome.HELD, None)
    assert "20 addresses would take mail, fewer than the 21 of RECONFIGURE_GUARD_FLOOR" in result.reason
    imap.put("one@acme.example.com")
    assert imap.pass_().outcome is Outcome.CHANGED


def test_a_new_task_with_nothing_to_go_by_says_so(tier: MakeTier) -> None:
    imap = tier("imap")
    imap.put(*MANY)
    with capture_logs() as logs:
        assert imap.pass_().outcome is Outcome.CHANGED
        assert imap.pass_().outcome is Outcome.UNCHANGED
    (said,) = [entry for entry in logs if entry["event"] == "guard_without_reference"]
    assert "RECONFIGURE_GUARD_FLOOR" in said["fix"]


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


def once_scanned(tier: Any, do: Callable[[], object]) -> None:
    """Do something when the tier's next Scan was answered, before its pass goes on."""
    events = tier.reconciler.clients.dynamodb.meta.events
    left = [do]
    events.register("after-call.dynamodb.Scan", lambda **_: left.pop()() if left else None)


def test_a_rollback_does_not_wait_for_a_pass_that_reads_and_the_pass_keeps_to_it(imap: Any, tier: MakeTier) -> None:
    before = imap.store.active().id
    imap.put("bad@acme.example.com")
    imap.pass_()
    operator = tier("imap", RECONFIGURE_LOCK_WAIT="0")
    imap.put("later@acme.example.com")
    once_scanned(imap, lambda: operator.reconciler.rollback(by="me"))
    result = imap.pass_()
    assert (result.outcome, result.active.id) == (Outcome.PINNED, before)
    assert imap.store.active().id == before


def test_what_was_read_before_another_pass_does_not_undo_what_that_one_read(imap: Any, tier: MakeTier) -> None:
    by_hand = tier("imap", RECONFIGURE_LOCK_WAIT="0")

    def meanwhile() -> None:
        imap.put("new@acme.example.com")
        assert by_hand.pass_().outcome is Outcome.CHANGED

    once_scanned(imap, meanwhile)
    assert imap.pass_().outcome is Outcome.UNCHANGED
    assert "new@acme.example.com\talice\n" in imap.served("mail/virtusertable")


def test_a_pass_that_others_disturb_again_and_again_fails_and_says_why(imap: Any, tier: MakeTier) -> None:
    by_hand = tier("imap", RECONFIGURE_LOCK_WAIT="0")
    events = imap.reconciler.clients.dynamodb.meta.events
    events.register("after-call.dynamodb.Scan", lambda **_: by_hand.pass_())
    result = imap.pass_()
    assert (result.outcome, result.cause) == (Outcome.FAILED, "lock")
    assert "was changed by other commands 3 times while the sources were read" in result.reason


def test_a_second_rollback_and_other_templates_bring_nothing_back(imap: Any, tier: MakeTier, tmp_path: Path) -> None:
    first = imap.store.active().id
    for name in ("second", "third"):
        imap.put(f"{name}@acme.example.com")
        assert outcome(imap) == "changed"
    imap.reconciler.rollback(by="me")
    imap.reconciler.rollback(first, by="me")
    assert outcome(imap) == "pinned"
    templates = shutil.copytree(imap.settings.templates_dir, tmp_path / "templates")
    with (templates / "imap/virtusertable.j2").open("a") as file:
        file.write("# another release\n")
    again = tier("imap", RECONFIGURE_TEMPLATES_DIR=str(templates))
    assert outcome(again) == "pinned"
    assert again.store.active().id == first


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")])
def test_a_live_manifest_that_is_gone_or_damaged_does_not_blind_the_guard(
    imap: Any, damage: Callable[[Path], Any]
) -> None:
    manifest = imap.store.path(imap.store.active().id) / "manifest.json"
    damage(manifest)
    if manifest.exists():
        result = imap.pass_()
        assert result.outcome is Outcome.FAILED
        assert "remove that file and run 'reconfigure once'" in result.reason
        manifest.unlink()
    imap.drop(*MANY[:15])
    result = imap.pass_()
    assert result.outcome is Outcome.HELD
    assert "15 of 20 addresses" in result.reason


def test_rollback_works_while_the_live_manifest_cannot_be_read(imap: Any) -> None:
    before = imap.store.active().id
    imap.put("new@acme.example.com")
    assert outcome(imap) == "changed"
    (imap.store.path(imap.store.active_id()) / "manifest.json").write_text("{")
    made, _ = imap.reconciler.rollback(by="me")
    assert made.id == imap.store.active().id == before
    assert outcome(imap) == "pinned"


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
def test_a_user_who_comes_back_under_another_uid_is_degraded_until_the_home_is_theirs(imap: Any) -> None:
    imap.aws.cognito.admin_delete_user(UserPoolId=imap.settings.cognito_pool_id, Username="bob")
    imap.enroll("bob", 2077)
    for _ in range(2):
        result = imap.pass_()
        assert result.outcome is Outcome.DEGRADED
        assert "bob has 2077" in result.reason
    assert "bob:x:2077:2077" in imap.served("passwd/passwd")
    os.chown(imap.settings.homes_dir / "bob", 2077, 2077)
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
