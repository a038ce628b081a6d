"""An address: its row, its users, what validation says, the entries of the live maps, the answer at RCPT."""

from collections.abc import Callable
from functools import partial

from reconfigure.directory import syntax
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory, RawRow, State, unpack
from reconfigure.errors import GenerationError, SourceError
from reconfigure.explaining import live
from reconfigure.explaining.chain import GENERATION, Explanation, Link, listed, unknown
from reconfigure.explaining.sources import Asked, asking, owners, told
from reconfigure.generations.maps import Makemap
from reconfigure.observe import hosting_of
from reconfigure.reconcile import Reconciler
from reconfigure.settings import Tier

Ask = Callable[[str, bool | None], Link]
"""Asks the running daemon about an address, which the live map takes, refuses, or which could not be looked up."""

ACCESS = "mail/access"
REFUSALS = 20  # listed in full


def explain(reconciler: Reconciler, written: str, ask: Ask) -> Explanation:
    """Explain an address.

    Args:
        reconciler: of the tier.
        written: the address as somebody wrote it.
        ask: asks the running daemon.
    """
    asked = asking(reconciler)
    mailbox = syntax.mailbox(written)
    name = mailbox.name if isinstance(mailbox, syntax.Mailbox) else written
    links: list[Link] = []
    directory = _from_sources(asked, written, name, links)
    if isinstance(mailbox, syntax.Unfit):
        links.append(
            Link(where="validation", state="fits", says=(f"no address can be this: {mailbox.code}, {mailbox.detail}",))
        )
    taken = _generation(reconciler, name, directory, links)
    if isinstance(mailbox, syntax.Mailbox):
        links.append(ask(name, taken))
    return Explanation(
        kind="address",
        subject=name,
        means=_means(reconciler, name, directory),
        links=tuple(links),
        served=None if directory is None else _is_served(directory),
    )


def _is_served(directory: Directory) -> bool:
    return any(address.state == State.ACTIVE.value for address in map(unpack, directory.lines))


def _from_sources(asked: Asked, written: str, name: str, links: list[Link]) -> Directory | None:
    """Add the links of the sources and of validation; return what the sources make, None when they cannot be read."""
    try:
        rows = asked.rows([written, name])
    except SourceError as error:
        links.append(unknown("DynamoDB", error))
        return None
    links.append(Link(where="DynamoDB", state="fits", says=tuple(map(_row, rows)) or ("there is no row",)))
    names = [owner for row in rows for owner in owners(row)]
    try:
        users = asked.users(names)
        rivals = asked.rivals(users or ())
    except SourceError as error:
        links.append(unknown("Cognito", error))
        return None
    if rows:
        links.append(_cognito(names, users))
    directory = assemble(
        [rows],
        None if users is None else [*users, *rivals],
        hosting=hosting_of(asked.settings),
        high_uids=asked.settings.high_uids,
        holders=asked.holders,
        listed=REFUSALS,
    )
    if rows:
        links.append(Link(where="validation", state="fits", says=_judged(directory)))
    return directory


def _row(row: RawRow) -> str:
    said = [str(row["address"]["S"])]
    for field in ("user", "suspended"):
        value = row.get(field)
        if value is not None:
            said.append(f"{field} {next(iter(value.values()), None)!r}")
    return ", ".join(said)


def _cognito(names: list[str], users: list[CognitoUser] | None) -> Link:
    if users is None:
        return Link(where="Cognito", state="skipped", says=("no COGNITO_POOL_ID: users are taken as present",))
    there = {user.name for user in users}
    says = [told(user) for user in users]
    says += [f"{name}: there is no such user" for name in dict.fromkeys(names) if name not in there]
    return Link(where="Cognito", state="fits", says=tuple(says) or ("the row names nobody",))


def _judged(directory: Directory) -> tuple[str, ...]:
    """Return what validation makes of the rows: the address it serves, and what it refuses."""
    said = []
    for line in directory.lines:
        address = unpack(line)
        users = f", users {listed(address.users, REFUSALS)}" if address.users else ""
        said.append(f"{address.name} is {address.state}{users}")
    said += [
        f"refused: {one.code} ({one.kind} {one.key}, {one.field}): {one.detail}" for one in directory.quarantine.listed
    ]
    return tuple(said)


def _generation(reconciler: Reconciler, name: str, directory: Directory | None, links: list[Link]) -> bool | None:
    """Add the link of the live generation; return whether its map takes mail for the address, None if unknown."""
    try:
        active = live.active(reconciler.store)
        folder = reconciler.store.path(active.id)
        wanted = live.expected(reconciler.tier, reconciler.renderer, directory) if directory is not None else {}
        found = live.compiled(reconciler.tier, _makemap(reconciler), folder, partial(_is_asked, name, wanted))
    except (GenerationError, OSError) as error:
        links.append(unknown(GENERATION, error))
        return None
    differing = live.differences(wanted, found) if directory is not None else []
    says = (f"{active.id}, made {active.created}", *(live.shown(found) or ["no map has an entry for it"]))
    if differing:
        says = (*says, *(f"behind the sources: {each}" for each in differing))
    state = "unknown" if directory is None else "differs" if differing else "fits"
    links.append(Link(where=GENERATION, state=state, says=says))  # type: ignore[arg-type]
    access = found.get(ACCESS, {})
    return access.get(f"to:{name}") == "RELAY" if ACCESS in found else None


def _is_asked(name: str, wanted: live.Entries, path: str, key: str) -> bool:
    return live.of_address(key, name) or key in wanted.get(path, {})


def _makemap(reconciler: Reconciler) -> Makemap:
    return Makemap(timeout=reconciler.settings.tool_timeout)


def _means(reconciler: Reconciler, name: str, directory: Directory | None) -> str:
    if directory is None:
        return "the sources could not be read, so what should be is not known; what is live serves on"
    address = next(map(unpack, directory.lines), None)
    # What smtp-in accepted a moment too early must not bounce, so imap waits with a verdict.
    fate = "put off here, and refused by smtp-in" if reconciler.settings.tier is Tier.IMAP else "refused"
    if address is not None:
        users = listed(address.users, REFUSALS)
        return {
            State.SUSPENDED.value: f"{address.name} is suspended: mail to it is {fate}, and nobody may send from it",
            State.DANGLING.value: f"{address.name} has no user who is served: mail to it is put off",
            State.ACTIVE.value: f"mail to {address.name} goes to {users}, who may send from it",
        }[address.state]
    if directory.rows:
        return f"there is a row, and validation refuses it: mail to {name} is {fate}, as if there were none"
    host = name.rpartition("@")[2]
    if _is_hosted(reconciler, host):
        return f"there is no {name}, while {host} is hosted: mail to it is {fate}"
    return f"there is no {name}, and {host or 'what is behind the @'} is not a hosted domain"


def _is_hosted(reconciler: Reconciler, host: str) -> bool:
    try:
        return host in live.snapshot(reconciler.store.path(live.active(reconciler.store).id), "domains")
    except (GenerationError, OSError):
        return False
