"""Whatever the environment and the file hold, settings load or say what is wrong, and what loads is sound."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reconfigure.errors import ConfigurationError
from reconfigure.settings import Settings, Tier, load
from reconfigure.settings.fields import SPECS

EMPTY = Path("/dev/null")
unhurried = hypothesis_settings(deadline=None)
NAMES = [name for spec in SPECS for name in (spec.env, *spec.about.also)]
RIGHT = {
    "TIER": "smtp-out",
    "CERT_DOMAIN": "example.com",
    "AWS_REGION": "us-east-1",
    "COGNITO_POOL_ID": "us-east-1_A",
    "COGNITO_CLIENT_ID": "a",
}

names = st.sampled_from(NAMES) | st.sampled_from(["RECONFIGURE_X", "RECONFIGURE_\n"]) | st.text(max_size=20)
texts = (
    st.text(st.characters(codec=None), max_size=60)
    | st.sampled_from(
        ["imap", "on", "http://", "http://[", "//@:0", "/", "/x", "a.b", "::", "nan", "0", "1e400", "-----BEGIN"]
    )
    | st.integers().map(str)
    | st.floats().map(str)
    | st.from_regex(r"https?://[^/]*@?[^/]*(:[0-9]*)?/.*")
    | st.from_regex(r"([A-Za-z0-9-]{1,10}\.){0,4}[a-z]+", fullmatch=True)
)
environments = st.dictionaries(names, texts, max_size=12)


def loaded(environ: dict[str, str], config_path: Path) -> Settings | None:
    """Return the settings, or None where they were refused with messages that can be printed."""
    try:
        return load(environ, config_path=config_path)
    except ConfigurationError as error:
        problems = error.problems
    assert problems
    for problem in problems:
        assert problem.isprintable()
        assert re.match(r"[A-Z0-9_]+: .+; .+", problem)
    return None


@unhurried
@given(environments)
def test_any_environment_loads_or_is_refused(environ: dict[str, str]) -> None:
    loaded(environ, EMPTY)


@unhurried
@given(st.dictionaries(st.sampled_from(NAMES), texts, min_size=1, max_size=3))
@example({"IMAP_INTERNAL_HOST": "a" * 254})
def test_whatever_loads_is_in_range_and_fit_to_render(environ: dict[str, str]) -> None:
    settings = loaded(RIGHT | environ, EMPTY)
    if settings is None:
        return
    assert isinstance(settings.tier, Tier)
    for host in (settings.cert_domain, settings.imap_internal_host):
        assert len(host) <= 253
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", host)
    assert settings.quiet_seconds <= settings.quiet_limit
    assert settings.fleet_silent_seconds <= settings.fleet_forget_seconds
    assert 1 <= settings.poll_seconds <= 20
    assert math.isfinite(settings.interval)
    assert settings.state_dir.is_absolute()
    assert settings.secrets_dir.is_absolute()
    assert all(str(value).isprintable() for value in settings.shown().values())
    assert all(warning.isprintable() for warning in settings.warnings)


@unhurried
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@example(b"%YAML 1." + b"9" * 5000 + b"\n---\n")
@example(b"? [a, b]\n: 1\n")
@example(b"<<: {interval: 1}\n")
@example(b"interval: &a [*a]\n")
@example(b"interval: !!python/object/apply:os.system ['true']\n")
def test_any_file_loads_or_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    loaded(RIGHT, file)


@unhurried
@given(st.dictionaries(st.sampled_from([spec.field for spec in SPECS]), st.text("abc/.:019 \n[]{}'\"|&*", max_size=30)))
def test_any_values_in_a_file_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "values.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in values.items()), encoding="utf-8")
    loaded(RIGHT, file)


def test_a_number_just_outside_each_range_is_refused_and_the_ends_are_taken() -> None:
    ranged = [(spec, match) for spec in SPECS if (match := re.search(r"from (\S+) to (\S+)$", spec.about.kind.wanted))]
    assert len(ranged) >= 17, "the pattern above finds them no more"
    for spec, match in ranged:
        low, high = match.groups()
        apart = {  # so that no number contradicts another
            "RECONFIGURE_QUIET_SECONDS": "0",
            "RECONFIGURE_QUIET_LIMIT": "300",
            "RECONFIGURE_FLEET_SILENT_SECONDS": "90",
            "RECONFIGURE_FLEET_FORGET_SECONDS": "604800",
        }
        for text in (low, high):
            assert load(RIGHT | apart | {spec.env: text}, config_path=EMPTY).shown()[spec.env] == float(text)
        for number in (float(low) - 1, float(high) + 1):
            with pytest.raises(ConfigurationError, match=f"^{spec.env}: is out of range"):
                load(RIGHT | apart | {spec.env: f"{number:g}" if number < 1e6 else str(int(number))}, config_path=EMPTY)
