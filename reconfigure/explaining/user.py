"""A user: what Cognito says, whether that is served, the account in the live generation, addresses."""

from reconfigure.directory import syntax
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import unpack
from reconfigure.errors import GenerationError, SourceError
from reconfigure.explaining import live
from reconfigure.explaining.chain import GENERATION, Explanation, Link, listed, unknown
from reconfigure.explaining.sources import Asked, asking, told
from reconfigure.reconcile import Reconciler

ADDRESSES = 20  # listed in full


def explain(reconciler: Reconciler, name: str) -> Explanation:
    """Explain a user."""
    fit = syntax.user_name(name)
    if isinstance(fit, syntax.Unfit):
        says = (f"no user can be named so: {fit.code}, {fit.detail}",)
        return Explanation(
            kind="user",
            subject=name,
            means="no such user can be served: no login, and mail to addresses of theirs alone is put off",
            links=(Link(where="validation", state="fits", says=says),),
        )
    links: list[Link] = []
    asked = asking(reconciler)
    uid = _from_cognito(asked, name, links)
    _generation(reconciler, name, uid, links)
    return Explanation(kind="user", subject=name, means=_means(name, uid), links=tuple(links))


Uid = int | None | Exception | bool
"""The UID that a user should have; None for no such user served; True without a pool; an error when unknown."""


def _from_cognito(asked: Asked, name: str, links: list[Link]) -> Uid:
    try:
        found = asked.users([name])
        rivals = asked.rivals(found or ())
    except SourceError as error:
        links.append(unknown("Cognito", error))
        return error
    if found is None:
        links.append(Link(where="Cognito", state="skipped", says=("no COGNITO_POOL_ID: users are taken as present",)))
        return True
    if not found:
        links.append(Link(where="Cognito", state="fits", says=("there is no such user",)))
        return None
    links.append(Link(where="Cognito", state="fits", says=tuple(told(user) for user in found)))
    directory = assemble([], [*found, *rivals], high_uids=asked.settings.high_uids, holders=asked.holders)
    refused = [
        f"refused: {one.code} ({one.field}): {one.detail}" for one in directory.quarantine.listed if one.key == name
    ]
    uid = next((user.uid for user in directory.users if user.name == name), None)
    served = [f"served as UID {uid}"] if uid is not None else []
    limits = [
        f"may send {number} messages and to {number} recipients a day"
        for user, number in directory.sending_limits
        if user == name
    ]
    says = (*served, *limits, *refused) or ("not served: only users who are enabled and confirmed are",)
    links.append(Link(where="validation", state="fits", says=says))
    return uid


def _generation(reconciler: Reconciler, name: str, uid: Uid, links: list[Link]) -> None:
    try:
        active = live.active(reconciler.store)
        folder = reconciler.store.path(active.id)
        mark = f"{name}\t"
        account = next((line for line in live.snapshot(folder, "users") if line.startswith(mark)), None)
        owned = [address for address in map(unpack, live.snapshot(folder, "addresses")) if name in address.users]
    except (GenerationError, OSError) as error:
        links.append(unknown(GENERATION, error))
        return
    serves = None if account is None else int(account.partition("\t")[2])
    says = [f"{active.id}, made {active.created}"]
    says.append("no account" if serves is None else f"account with UID and GID {serves}")
    alone = [address.name for address in owned if len(address.users) == 1]
    shared = [f"{address.name} (with {len(address.users) - 1} more)" for address in owned if len(address.users) > 1]
    says.append(f"{len(owned)} addresses" + (f": {listed([*alone, *shared], ADDRESSES)}" if owned else ""))
    state = "fits"
    if isinstance(uid, Exception):
        state = "unknown"
    elif uid is not True and uid != serves:
        state = "differs"
        says.append(f"behind Cognito: there should be {'no account' if uid is None else f'UID {uid}'}")
    links.append(Link(where=GENERATION, state=state, says=tuple(says)))  # type: ignore[arg-type]


def _means(name: str, uid: Uid) -> str:
    if isinstance(uid, Exception):
        return "Cognito could not be read, so what should be is not known; what is live serves on"
    if uid is True:
        return f"{name} is taken as present here"
    if uid is None:
        return f"{name} is not served: no login, and mail to addresses of theirs alone is put off"
    return f"{name} is served: may log in where there is a login, and gets mail"
