"""The settings' reference page, written from the fields, so that it cannot say anything else than the code does."""

from dataclasses import MISSING

from reconfigure.settings.fields import SPECS, Spec, Tier
from reconfigure.settings.layers import CONFIG_ENV, DEFAULT_CONFIG

_HEAD = f"""\
# Settings

<!-- Written by `python -m reconfigure.settings`; edit `reconfigure/settings/fields.py` instead. -->

A setting is read from the environment, else from the YAML file, else it has its default. An empty value counts as
unset. The YAML file is the one that `{CONFIG_ENV}` names, which must then exist, else
`{DEFAULT_CONFIG}`, which may be absent.

A YAML key is the YAML name or the environment name of the tables below, in upper or lower case. Values are taken as
they are written, so `on`, `"on"` and `ON` are the same. For example:

```yaml
interval: 600
guard_share: 0.2
high_uids: true
```

Every mistake is reported at once, one line each, with exit code 78, and nothing is written: missing and wrong values,
settings that contradict each other, and unknown YAML keys. An unknown `RECONFIGURE_` variable is a warning. Durations
are seconds unless it says otherwise. Secrets are never shown, and of the ping URL only its host.
"""

_TABLE_HEAD = "| environment | YAML | default | meaning |\n|---|---|---|---|\n"


def reference() -> str:
    """Return docs/reference/settings.md (Markdown)."""
    contract = "".join(_row(spec) for spec in SPECS if spec.about.contract)
    finer = "".join(_row(spec) for spec in SPECS if not spec.about.contract)
    return (
        f"{_HEAD}\n## What task definitions set\n\n{_TABLE_HEAD}{contract}"
        f"\n## Finer settings\n\nThe defaults suit most tiers.\n\n{_TABLE_HEAD}{finer}"
    )


def _row(spec: Spec) -> str:
    names = " or ".join(f"`{name}`" for name in (spec.env, *spec.about.also))
    meaning = f"{spec.about.meaning} Set {spec.about.kind.wanted}."
    return f"| {names} | `{spec.field}` | {_default(spec)} | {meaning} |\n"


def _default(spec: Spec) -> str:
    about = spec.about
    required = about.required_on | about.secret_on
    if about.default:
        return about.default
    if required:
        where = "" if required == frozenset(Tier) else " on " + ", ".join(f"`{tier}`" for tier in sorted(required))
        return f"required{where}{' by `prepare`' if about.secret_on else ''}"
    if spec.default is None or spec.default is MISSING:
        return "none"
    if isinstance(spec.default, bool):
        return "`on`" if spec.default else "`off`"
    return f"`{spec.default:g}`" if isinstance(spec.default, float) else f"`{spec.default}`"
