"""Settings from the YAML file: precedence, keys, types, and mistakes that name file and line."""

from pathlib import Path

import pytest

from reconfigure.errors import ConfigurationError
from reconfigure.settings import Settings, layers, load

Environment = dict[str, str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reconfigure.yaml"


def load_with(environ: Environment, file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(environ | {"RECONFIGURE_CONFIG": str(file)})


def problems_with(environ: Environment, file: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_with(environ, file, text)
    return caught.value.problems


def test_the_environment_wins_over_yaml_and_yaml_over_the_default(smtp_in: Environment, file: Path) -> None:
    settings = load_with(smtp_in | {"RECONFIGURE_INTERVAL": "60"}, file, "interval: 120\npoll_seconds: 7\n")
    assert settings.interval == 60
    assert settings.poll_seconds == 7
    assert settings.keep_generations == 20


def test_an_empty_variable_leaves_the_yaml_value(smtp_in: Environment, file: Path) -> None:
    assert load_with(smtp_in | {"RECONFIGURE_INTERVAL": ""}, file, "interval: 120").interval == 120


@pytest.mark.parametrize(
    "key", ["poll_seconds", "POLL_SECONDS", "RECONFIGURE_POLL_SECONDS", "reconfigure_poll_seconds"]
)
def test_a_key_is_the_field_or_the_environment_name_in_any_case(smtp_in: Environment, file: Path, key: str) -> None:
    assert load_with(smtp_in, file, f"{key}: 7").poll_seconds == 7


@pytest.mark.parametrize("text", ["true", "yes", "on", "1", '"true"', "'1'", "True"])
def test_a_switch_may_be_written_natively_or_as_a_string(smtp_in: Environment, file: Path, text: str) -> None:
    assert load_with(smtp_in, file, f"preflight: {text}").preflight is True


@pytest.mark.parametrize("text", ["900", "900.0", "'900'", "9.0e2"])
def test_a_number_may_be_written_natively_or_as_a_string(smtp_in: Environment, file: Path, text: str) -> None:
    assert load_with(smtp_in, file, f"interval: {text}").interval == 900


@pytest.mark.parametrize("text", ["", "~", "null", '""'])
def test_an_empty_value_counts_as_unset(smtp_in: Environment, file: Path, text: str) -> None:
    assert load_with(smtp_in, file, f"interval: {text}").interval == 900


def test_a_literal_block_keeps_a_key_as_it_is(smtp_in: Environment, secrets: Environment, file: Path) -> None:
    block = "".join(f"  {line}\n" for line in secrets["TLS_KEY"].splitlines())
    key = load_with(smtp_in, file, f"tls_key: |\n{block}").tls_key
    assert key is not None
    assert key.reveal() == secrets["TLS_KEY"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "\ufeff", "{}"])
def test_a_file_that_says_nothing_is_fine(smtp_in: Environment, file: Path, text: str) -> None:
    assert load_with(smtp_in, file, text).interval == 900


def test_everything_may_stand_in_the_file(file: Path) -> None:
    settings = load_with({}, file, "TIER: smtp-in\nCERT_DOMAIN: example.com\nAWS_REGION: us-east-1\n")
    assert settings.imap_internal_host == "imap.example.com"


def test_a_wrong_value_names_file_and_line(smtp_in: Environment, file: Path) -> None:
    (problem,) = problems_with(smtp_in, file, "interval: 60\npoll_seconds: 99\n")
    assert problem == (
        f"RECONFIGURE_POLL_SECONDS: is out of range (given '99' in {file} line 2);"
        " set a whole number of seconds from 1 to 20"
    )


def test_an_unknown_key_names_its_line_and_the_nearest_key(smtp_in: Environment, file: Path) -> None:
    problems = problems_with(smtp_in, file, "\npoll-second: 3\nRECONFIGURE_INTERVALL: 3\nfoo: 1\n")
    where = f"RECONFIGURE_CONFIG: {file} line"
    assert problems == (
        f"{where} 2: poll-second is not a setting; remove or correct it (did you mean poll_seconds?)",
        f"{where} 3: RECONFIGURE_INTERVALL is not a setting; remove or correct it (did you mean RECONFIGURE_INTERVAL?)",
        f"{where} 4: foo is not a setting; remove or correct it",
    )


@pytest.mark.parametrize("key", ['"\\e[2J"', "? [a, b]\n", "MASTER_PASSWORD=hunter2", "x" * 65])
def test_a_key_that_is_no_name_is_not_repeated(smtp_in: Environment, file: Path, key: str) -> None:
    (problem,) = problems_with(smtp_in, file, f"{key}: 1\n")
    assert problem.startswith(f"RECONFIGURE_CONFIG: {file} line 1: a key that is no name is not a setting; remove")


def test_one_setting_under_two_keys_is_a_mistake(smtp_in: Environment, file: Path) -> None:
    (problem,) = problems_with(smtp_in, file, "interval: 60\nRECONFIGURE_INTERVAL: 90\n")
    assert f"{file} line 2: RECONFIGURE_INTERVAL was set in line 1 already" in problem


@pytest.mark.parametrize("text", ["interval: [60]", "interval: {seconds: 60}"])
def test_a_list_or_mapping_is_no_value(smtp_in: Environment, file: Path, text: str) -> None:
    (problem,) = problems_with(smtp_in, file, text)
    assert f"{file} line 1: interval is a list or a mapping; set a number of seconds" in problem


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("- interval\n- 60\n", 1, "is not a mapping"),
        ("\ninterval=60\n", 2, "is not a mapping"),
        ("interval: 60\n\tpoll_seconds: 5\n", 2, "is not YAML"),
        ("interval: 60\npoll_seconds: [5\n", 3, "is not YAML"),
        ("interval: 60\nmaster_password: *hunter2\n", 2, "is not YAML"),
        ("interval: 60\nmaster_password: %hunter2\n", 2, "is not YAML"),
        ("interval: 60\n--- \ninterval: 90\n", 2, "is not YAML"),
        ('interval: "\\UFFFFFFFF"\n', 1, "is not YAML"),
        ("interval: \x00\n", 1, "is not YAML"),
        ("[" * 20_000, 1, "is not YAML"),
    ],
)
def test_a_file_that_is_not_a_yaml_mapping_is_a_mistake_at_its_line(
    smtp_in: Environment, file: Path, text: str, line: int, reason: str
) -> None:
    (problem,) = problems_with(smtp_in, file, text)
    assert problem.startswith(f"RECONFIGURE_CONFIG: {file} line {line}: {reason}")
    assert "hunter2" not in problem


def test_a_file_that_is_not_utf_8_is_a_mistake_at_its_line(smtp_in: Environment, file: Path) -> None:
    file.write_bytes(b"interval: 60\n# caf\xe9\n")
    with pytest.raises(ConfigurationError, match=r"line 2: is not UTF-8") as caught:
        load(smtp_in, config_path=file)
    assert len(caught.value.problems) == 1


def test_mistakes_of_the_file_and_of_the_environment_are_named_together(smtp_in: Environment, file: Path) -> None:
    problems = problems_with(smtp_in | {"TIER": "pop3"}, file, "foo: 1\ninterval: never\n")
    assert [problem.partition(":")[0] for problem in problems] == ["RECONFIGURE_CONFIG", "TIER", "RECONFIGURE_INTERVAL"]


def test_a_wrong_value_in_the_file_does_not_matter_where_the_environment_wins(smtp_in: Environment, file: Path) -> None:
    assert load_with(smtp_in | {"RECONFIGURE_INTERVAL": "60"}, file, "interval: never").interval == 60


def test_a_path_passed_in_wins_over_the_variable(smtp_in: Environment, file: Path) -> None:
    file.write_text("interval: 60", encoding="utf-8")
    assert load(smtp_in, config_path=file).interval == 60


@pytest.mark.parametrize("by", ["variable", "argument"])
def test_a_file_named_explicitly_must_exist(smtp_in: Environment, file: Path, by: str) -> None:
    named = smtp_in | {"RECONFIGURE_CONFIG": str(file)}
    with pytest.raises(ConfigurationError) as caught:
        load(named) if by == "variable" else load(smtp_in, config_path=file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"RECONFIGURE_CONFIG: {file} cannot be read (No such file or directory); set")


def test_a_folder_is_no_file(smtp_in: Environment, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load(smtp_in, config_path=tmp_path)


def test_the_default_file_may_be_absent(smtp_in: Environment, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "DEFAULT_CONFIG", file)
    environ = smtp_in | {"RECONFIGURE_CONFIG": ""}
    assert load(environ).interval == 900
    file.write_text("interval: 60", encoding="utf-8")
    assert load(environ).interval == 60
