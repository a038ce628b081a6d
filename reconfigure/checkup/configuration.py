"""What the daemons are configured with, as their own checkers see it; and the host name that sendmail wants."""

from reconfigure.checkup.finding import Absent, Check, Harm
from reconfigure.configured import refusals
from reconfigure.generations.checks import has_domain
from reconfigure.settings import Settings
from reconfigure.tiers import load_manifest

_PATIENCE = 8.0  # seconds for one checker

AGAIN = "mend the setting that it comes from, and replace this task: prepare writes it anew"


def checks(settings: Settings) -> dict[str, Check]:
    """Return the checks of the daemons' own configuration."""
    return {"configuration": lambda: _configuration(settings), "host name": lambda: _host_name(settings)}


def _configuration(settings: Settings) -> str:
    folder = settings.static_dir
    if folder is None or not folder.is_dir():
        raise Absent("prepare has written no configuration of daemons here")
    specs = load_manifest(settings.templates_dir, settings.tier.value).static
    missing = [spec.path for spec in specs if not (folder / spec.path).exists()]
    refused = refusals([spec for spec in specs if spec.path not in missing], folder, timeout=_PATIENCE)
    wrong = [f"{name} is not there" for name in missing] + list(refused.values())
    if wrong:
        raise Harm(
            "; ".join(wrong),
            means="the daemon serves on as it was started, and does not come up again once it has ended",
            fix=AGAIN,
        )
    checked = [spec.path for spec in specs if spec.check]
    return f"the daemons take {', '.join(checked)} in {folder}"


def _host_name(settings: Settings) -> str:
    if settings.static_dir is None:
        raise Absent("no RECONFIGURE_STATIC_DIR: no sendmail is run here")
    if has_domain():
        return f"it holds a dot; the tier calls itself {settings.host_name}"
    raise Harm(
        "this container's host name has no domain",
        means="sendmail sleeps a minute at every start before it reads its configuration",
        fix=f"set the container's hostname to {settings.host_name} in the task definition",
        state="warning",
    )
