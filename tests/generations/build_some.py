"""Builds generations and prints what their checks came to, or the error: for hosts with another name than this one.

build_some.py STATE_DIR TIER TEMPLATES MAKEMAP COUNT
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser
from reconfigure.errors import GenerationError
from reconfigure.generations.build import Builder
from reconfigure.generations.maps import Makemap
from reconfigure.generations.store import GenerationStore
from reconfigure.phases import Phases
from reconfigure.rendering import Renderer
from reconfigure.tiers import load_manifest


def main() -> None:
    state_dir, tier, templates, makemap, number = sys.argv[1:]
    manifest = load_manifest(Path(templates), tier)
    store = GenerationStore(Path(state_dir))
    store.prepare()
    names = ("imap_internal_host", "secrets_dir", "homes_dir")
    renderer = Renderer(manifest, Path(templates), dict.fromkeys(names, "x.example.com"))
    builder = Builder(store, manifest, renderer=renderer, makemap=Makemap(program=makemap), timeout=30)
    rows = [{"address": {"S": f"{name}@example.com"}, "user": {"S": name}} for name in ("alice", "bob")]
    users = [CognitoUser("alice", confirmed=True, enabled=True, osid="2001")]
    directory = assemble([rows], users)
    checks = []
    try:
        for _ in range(int(number)):
            made = builder.build(
                directory, input_digest="d" * 64, created=datetime.now(UTC), phases=Phases(), checkpoint=lambda: None
            )
            store.activate(made.id)
            checks.append(made.checks)
    except GenerationError as error:
        sys.stdout.write(json.dumps({"error": str(error)}))
    else:
        links = (store.current / "mail" / "access.db").stat().st_nlink
        sys.stdout.write(json.dumps({"checks": checks, "links": links}))


if __name__ == "__main__":
    main()
