"""Secrets from settings become files that only their readers can open; nothing here is ever logged.

The tier's manifest says which setting becomes which file, with what mode and owner.
"""

from collections.abc import Iterable
from pathlib import Path

from reconfigure.errors import ReconfigureError
from reconfigure.placing import known, place
from reconfigure.settings import Secret, Settings
from reconfigure.tiers import SecretSpec

FOLDER_MODE = 0o711  # each file has its own reader, so the folder lets everyone through and nobody look around


def write_secrets(settings: Settings, specs: Iterable[SecretSpec]) -> list[Path]:
    """Write each secret that is set to its file, and return the files.

    A file appears with its final mode and owner, or not at all. One whose secret is no longer set is removed.
    Where no daemon's configuration is written either (no `static_dir`: a laptop without mail daemons), a file whose
    reader is not installed stays this process's own.

    Raises:
        ReconfigureError: a file could not be written, or its owner does not exist.
    """
    folder = settings.secrets_dir
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        for spec in specs:
            value = getattr(settings, spec.setting)
            path = folder / spec.path
            if isinstance(value, Secret):
                text = value.reveal()
                content = text if text.endswith("\n") else f"{text}\n"
                absent = settings.static_dir is None and spec.owner is not None and not known(spec.owner)
                place(path, content.encode(), mode=spec.mode, owner=None if absent else spec.owner)
                written.append(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise ReconfigureError(
            f"writing secrets to {folder} failed: {error}; make the folder writable or set RECONFIGURE_SECRETS_DIR"
        ) from error
    return written
