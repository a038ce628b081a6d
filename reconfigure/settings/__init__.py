"""The only reader of the environment and of the YAML file: every setting typed, valid and complete, or one message.

`fields` says which settings there are, `parse` how text becomes a value, `layers` where the text stands; `load` here
puts them together and collects every mistake before it raises. Nobody else looks at an environment variable.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconfigure.errors import ConfigurationError
from reconfigure.settings import layers
from reconfigure.settings.fields import SPECS, Settings, Spec, Tier
from reconfigure.settings.layers import Given
from reconfigure.settings.parse import Secret, WrongValueError, quoted
from reconfigure.settings.reference_page import reference

__all__ = ["Secret", "Settings", "Tier", "load", "reference"]


def load(environ: Mapping[str, str], *, config_path: Path | None = None, secrets_required: bool = False) -> Settings:
    """Return the settings: environment over YAML over defaults.

    Args:
        environ: the environment, such as `os.environ`.
        config_path: the YAML file; else `RECONFIGURE_CONFIG`, else the default one, which alone may be absent.
        secrets_required: whether the secrets that this tier's daemons need must be there (container start).

    Raises:
        ConfigurationError: something is missing or wrong; one line for every mistake, secrets masked.
    """
    problems: list[str] = []
    given = layers.from_yaml(environ, config_path, problems) | layers.from_environment(environ)
    warnings = list(layers.unknown_in_environment(environ))
    values: dict[str, Any] = {}
    for spec in SPECS:
        if spec.field not in given:
            continue
        try:
            values[spec.field] = spec.about.kind.read(given[spec.field].text)
        except WrongValueError as error:
            if spec.about.lenient:
                warnings.append(f"{spec.env}: {error}, so it is left out; set {spec.about.kind.wanted}")
            else:
                problems.append(_wrong(spec, given[spec.field], error))
    problems += _missing(given, values.get("tier"), secrets_required=secrets_required)
    problems += _contradictions(values)
    if problems:
        raise ConfigurationError(*problems)
    return Settings(**values, warnings=(*warnings, *_reductions(values)))


def _wrong(spec: Spec, given: Given, error: WrongValueError) -> str:
    shown = quoted(spec.about.kind.mask(given.text))
    return f"{spec.env}: {error} (given {shown}{given.place}); set {spec.about.kind.wanted}"


def _missing(given: Mapping[str, Given], tier: Tier | None, *, secrets_required: bool) -> list[str]:
    """Return a line for every setting that is required and not given, on every tier or on this one."""
    problems = []
    for spec in SPECS:
        required_on = spec.about.required_on | (spec.about.secret_on if secrets_required else frozenset())
        on_every_tier = required_on == frozenset(Tier)
        if spec.field not in given and (on_every_tier or tier in required_on):
            where = "" if on_every_tier else f" on {tier}"
            problems.append(f"{spec.env}: is required{where} (nothing given); set {spec.about.kind.wanted}")
    return problems


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Return a line for every two settings that are right apart and wrong together."""
    problems = []
    both = {spec.field: values.get(spec.field, spec.default) for spec in SPECS}
    if both["quiet_limit"] < both["quiet_seconds"]:
        problems.append(
            f"RECONFIGURE_QUIET_LIMIT: is below RECONFIGURE_QUIET_SECONDS (given {both['quiet_limit']:g} and"
            f" {both['quiet_seconds']:g}); set a limit that is at least as long"
        )
    if both["fleet_forget_seconds"] < both["fleet_silent_seconds"]:
        problems.append(
            "RECONFIGURE_FLEET_FORGET_SECONDS: is below RECONFIGURE_FLEET_SILENT_SECONDS (given"
            f" {both['fleet_forget_seconds']:g} and {both['fleet_silent_seconds']:g}); set a time that is at least"
            " as long"
        )
    if both["sqs_queue_url"] and both["sqs_queue_url"] == both["sqs_dlq_url"]:
        problems.append(
            f"SQS_DLQ_URL: is SQS_QUEUE_URL (given {quoted(both['sqs_dlq_url'])}); set the dead-letter queue's URL"
        )
    return problems


def _reductions(values: Mapping[str, Any]) -> list[str]:
    """Return a line for everything that is left out because of what is not set."""
    warnings = []
    if "sqs_queue_url" not in values:
        warnings.append("SQS_QUEUE_URL: is not set, so changes are seen by the timer only")
    if values["tier"] == Tier.SMTP_IN and "cognito_pool_id" not in values:
        warnings.append("COGNITO_POOL_ID: is not set on smtp-in, so users are taken as present")
    if values.get("master_password") and not (values.get("login_trusted_networks") or values.get("network_cidr")):
        warnings.append("NETWORK_CIDR: is not set, so the IMAP master user cannot log in from anywhere")
    return warnings
