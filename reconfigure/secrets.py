"""Secrets from settings become files that only their readers can open; nothing here is ever logged.

The tier's manifest says which setting becomes which file, with what mode and owner.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from reconfigure.errors import ReconfigureError
from reconfigure.settings import Secret, Settings
from reconfigure.tiers import SecretSpec

FOLDER_MODE = 0o711  # each file has its own reader, so the folder lets everyone through and nobody look around


def write_secrets(settings: Settings, specs: Iterable[SecretSpec]) -> list[Path]:
    """Write each secret that is set to its file, and return the files.

    A file appears with its final mode and owner, or not at all.

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
            if isinstance(value, Secret):
                _write(folder / spec.path, value, spec)
                written.append(folder / spec.path)
    except OSError as error:
        raise ReconfigureError(
            f"writing secrets to {folder} failed: {error}; make the folder writable or set RECONFIGURE_SECRETS_DIR"
        ) from error
    return written


def _write(path: Path, value: Secret, spec: SecretSpec) -> None:
    text = value.reveal()
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
        if spec.owner is not None and os.geteuid() == 0:
            _give(unfinished, spec.path, spec.owner)
        unfinished.chmod(spec.mode)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _give(file: Path, name: str, owner: str) -> None:
    user, _, group = owner.partition(":")
    try:
        shutil.chown(file, user, group or None)
    except LookupError as error:
        raise ReconfigureError(
            f"the secret {name} should belong to {owner}, which this system does not know; "
            "install the daemon that reads it, or change 'owner' in the tier's manifest"
        ) from error
