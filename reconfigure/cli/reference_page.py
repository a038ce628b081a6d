"""The commands' reference page, written from the commands' own help, so that it cannot say anything else."""

import importlib
from collections.abc import Mapping

import click

from reconfigure.cli import COMMANDS, cli

_WIDTH = 100

_HEAD = """\
# Commands

<!-- Written by `python -m reconfigure.cli`; edit the commands in `reconfigure/cli/` instead. -->

What a command reads it takes from [settings](settings.md), as the daemon does, so run it where the daemon runs:
`docker exec CONTAINER reconfigure status`.

| exit code | meaning |
|---|---|
| 0 | good |
| 1 | not good: what was asked for is not so, or could not be done; standard error says why |
| 2 | usage: the command line is wrong |
| 3 | a dry run found differences |
| 78 | configuration: a setting, a tier's manifest or a template is wrong; nothing was changed |

`--json` prints one JSON document with the same content to standard output. Keys may be added, so readers ignore those
that they do not know; times are ISO 8601 in UTC with offset, durations are seconds. Logs go to standard error, except
those of `run` and `prepare`. There are no colours where `NO_COLOR` is set or standard output is no terminal.

"""


def reference() -> str:
    """Return docs/reference/commands.md (Markdown)."""
    return "\n".join([f"{_HEAD}{_help(cli, None)}", *(_section(name) for name in COMMANDS)])


def _section(name: str) -> str:
    module = importlib.import_module(f"reconfigure.cli.{name}")
    parent = click.Context(cli, info_name="reconfigure")
    return f"## `{name}`\n\n{COMMANDS[name]}\n\n{_help(module.command, parent)}{_keys(getattr(module, 'KEYS', {}))}"


def _help(command: click.Command, parent: click.Context | None) -> str:
    name = "reconfigure" if parent is None else command.name
    with click.Context(
        command,
        parent,
        info_name=name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    ) as context:
        return f"```text\n{command.get_help(context)}\n```\n"


def _keys(keys: Mapping[str, str]) -> str:
    if not keys:
        return ""
    rows = "".join(f"| `{key}` | {meaning} |\n" for key, meaning in keys.items())
    return f"\n| JSON key | meaning |\n|---|---|\n{rows}"
