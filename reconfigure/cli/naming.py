"""How generations are named on the command line: by id, by a part of it, or by what they are; and their completion.

Only names are looked at, no manifest is read, so completion answers at once whatever the state folder's condition.
"""

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from reconfigure.errors import GenerationError, ReconfigureError
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import MANIFEST_NAME, GenerationStore, Held
from reconfigure.settings import load

ACTIVE, BEFORE, HELD = "active", "before", "held"
WORDS = {ACTIVE: "what is live", BEFORE: "what was live before", HELD: "what waits for approval"}
SHORTEST_PART = 4


def ids(store: GenerationStore) -> list[str]:
    """Return the ids of all whole generations, newest first; none where there is no state folder.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted((path.parent.name for path in store.folder.glob(f"[!.]*/{MANIFEST_NAME}")), reverse=True)


def resolve(store: GenerationStore, name: str) -> str:
    """Return the id of the generation that an operator named.

    Raises:
        GenerationError: there is none of that name, or there are several.
    """
    if name in WORDS:
        return _by_word(store, name)
    known = ids(store)
    if name in known:
        return name
    meant = [each for each in known if len(name) >= SHORTEST_PART and (each.startswith(name) or each.endswith(name))]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise GenerationError(f"{name!r} may be any of {', '.join(meant[:5])}; write more of it")
    newest = ", ".join(known[:3]) or "none"
    raise GenerationError(
        f"there is no generation {name!r} in {store.folder}; the newest are: {newest}. See 'reconfigure history'"
    )


def id_of(generation: Manifest | Held | None) -> str | None:
    """Return the id of a generation that may not be there."""
    return None if generation is None else generation.id


def _by_word(store: GenerationStore, word: str) -> str:
    found = {ACTIVE: store.active, BEFORE: store.before, HELD: store.held}[word]()
    if found is not None:
        return found.id
    raise GenerationError(
        {
            ACTIVE: "no generation is active yet; 'reconfigure once' makes the first",
            BEFORE: "there is no generation before the active one; see 'reconfigure history'",
            HELD: "nothing is held; see 'reconfigure status'",
        }[word]
    )


def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return what the shell may complete to: words, then ids, newest first; nothing where settings are wrong."""
    try:
        config: Path | None = ctx.find_root().params.get("config")
        names = ids(GenerationStore(load(os.environ, config_path=config).state_dir))
    except (ReconfigureError, OSError):
        return []  # at a prompt there is no place for an error; the command itself will say it
    items = [CompletionItem(word, help=about) for word, about in WORDS.items()]
    items += [CompletionItem(name) for name in names]
    return [item for item in items if str(item.value).startswith(incomplete)]
