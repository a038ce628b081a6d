"""A domain: its addresses, its entries in the live maps, and what DNS says against what it should say."""

from pathlib import Path

from reconfigure.directory import syntax
from reconfigure.errors import GenerationError
from reconfigure.explaining import live
from reconfigure.explaining.chain import GENERATION, Explanation, Link, listed, unknown
from reconfigure.explaining.records import Names, checked, public_key
from reconfigure.generations.maps import Makemap
from reconfigure.observe import hosting_of
from reconfigure.reconcile import Reconciler
from reconfigure.settings import Settings

ADDRESSES = 20  # listed in full
KEY_FILE = "dkim.private"


def explain(reconciler: Reconciler, written: str, names: Names) -> Explanation:
    """Explain a domain; `names` asks DNS."""
    name = syntax.domain(written)
    if isinstance(name, syntax.Unfit):
        says = (f"no domain can be this: {name.code}, {name.detail}",)
        link = Link(where="validation", state="fits", says=says)
        return Explanation(kind="domain", subject=written, means="no mail can go there", links=(link,))
    generation, hosted = _generation(reconciler, name)
    links = [generation]
    foreign = hosting_of(reconciler.settings).unfit(name)
    if foreign is not None:
        says = (f"no address in it is served: {foreign.code}, {foreign.detail}",)
        links.insert(0, Link(where="validation", state="fits", says=says))
    if hosted:
        settings = reconciler.settings
        try:
            key = public_key(private_key(settings))
        except ValueError as error:
            key = None
            links.append(unknown("signing key", error))
        links += checked(names, name, relay=f"smtp-in.{settings.cert_domain}", key=key)
    means = f"{name} is hosted here" if hosted else f"{name} is not hosted: no live address is in it"
    return Explanation(kind="domain", subject=name, means=means, links=tuple(links))


def _generation(reconciler: Reconciler, name: str) -> tuple[Link, bool]:
    try:
        active = live.active(reconciler.store)
        folder = reconciler.store.path(active.id)
        mark = f"@{name}\t"
        found = [line.partition("\t")[0] for line in live.snapshot(folder, "addresses") if mark in line]
        makemap = Makemap(timeout=reconciler.settings.tool_timeout)
        maps = live.compiled(reconciler.tier, makemap, folder, lambda _, key: key in {name, f"hosted:{name}"})
        tables = [
            f"{spec.path}: {line}"
            for spec in reconciler.tier.files
            if spec.path.startswith("opendkim/")
            for line in _lines(folder / spec.path)
            if line.split(" ", 1)[0] == name
        ]
    except (GenerationError, OSError) as error:
        return unknown(GENERATION, error), False
    says = (f"{active.id}, made {active.created}", f"{len(found)} addresses: {listed(found, ADDRESSES)}")
    entries = live.shown(maps)
    if found and not entries:
        return Link(where=GENERATION, state="differs", says=(*says, "no map has an entry for it")), True
    return Link(where=GENERATION, state="fits", says=(*says, *entries, *tables) if found else says[:1]), bool(found)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii", errors="replace").splitlines()


def private_key(settings: Settings) -> bytes | None:
    """Return the signing key in PEM, from the setting or from the file; None where this tier has none.

    Raises:
        ValueError: it is there, and this account may not read it.
    """
    if settings.dkim_private_key is not None:
        return settings.dkim_private_key.reveal().encode()
    path = settings.secrets_dir / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); ask as root") from error
