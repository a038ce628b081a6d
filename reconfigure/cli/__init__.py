"""The operators' commands: thin, each in a module of its own that is imported only when it is called.

A container's health check runs one of these every few seconds, so what a command does not need it must not import:
no boto3 for what only reads the state folder.
"""

import errno
import importlib
import os
import pwd
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO, TypeVar

import click
from click.shell_completion import CompletionItem

from reconfigure import __version__
from reconfigure.errors import ConfigurationError, ReconfigureError
from reconfigure.settings import Settings, load

Function = TypeVar("Function", bound=Callable[..., Any])
Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")

LONGEST_REASON = 300  # characters

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}

# Command → what --help says of it; its module has the same name and calls the function `command`.
COMMANDS: Mapping[str, str] = {
    "run": "The daemon: reconcile on messages, the timer and signals (supervisord runs this).",
    "once": "Make one pass now, or see what it would do.",
    "prepare": "Container start: secrets to files, first generation, then the daemons.",
    "status": "What is live, how the last pass went, what is wrong.",
    "explain": "What becomes of an address, a user or a domain, and why.",
    "doctor": "Try every dependency and permission, and say how to mend what fails.",
    "runbook": "What to do in trouble: the pages for operators, here.",
    "diff": "What differs between two generations, or between live and source.",
    "fleet": "Every task of every tier: what it serves, who is behind.",
    "history": "Passes that changed something, were held or failed; and the generations.",
    "rollback": "Return to an earlier generation.",
    "approve": "Apply the held generation.",
    "pause": "Stop applying for a while; mail goes on, messages stay on the queue.",
    "resume": "End a pause, lift a pin.",
    "logs": "The last passes in words.",
    "notify": "Publish a change as the admin app would.",
    "queue": "The queue of changes and its dead letters: look, move back, empty.",
    "sending": "What accounts have sent, on smtp-out; stop one, let it go on.",
    "login": "The helper that checks passwords for Dovecot and sendmail (supervisord runs this).",
    "milter": "The milter that removes what strangers say of their own mail's origin (supervisord runs this).",
    "health": "For the container's health check.",
    "completion": "Shell completion for bash, zsh and fish.",
}

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead (the same content)."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


reason_option = click.option(
    "--reason", metavar="TEXT", callback=lambda _ctx, _param, text: _one_line(text), help="Why; shown to all who look."
)


def _one_line(text: str | None) -> str | None:
    """Return a reason as one line that is not too long for a heartbeat, and that moves no cursor."""
    if text is None:
        return None
    if not text.isprintable() or len(text) > LONGEST_REASON:
        raise click.BadParameter(f"write one line of at most {LONGEST_REASON} characters, without control characters")
    return text.strip() or None


def limit_option(default: int, what: str) -> Callable[[Function], Function]:
    """Return the option that says how much is listed in full."""
    return click.option(
        "--limit", type=click.IntRange(min=0), default=default, show_default=True, metavar="N", help=what
    )


class _Commands(click.Group):
    """Finds commands by name and imports each only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"reconfigure.cli.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete commands without importing them."""
        commands = [CompletionItem(name, help=about) for name, about in COMMANDS.items() if name.startswith(incomplete)]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReconfigureError as error:
            fail(error)
        except OSError as error:
            if error.errno in UNWRITABLE:
                _give_up(sys.stdout)
                fail(ReconfigureError(f"the answer could not be written: {error.strerror}; look at where it should go"))
            if error.filename is None:
                raise  # a closed pipe is click's to handle; the rest is nothing an operator did, but a defect
            fail(ReconfigureError(f"{error.filename}: {error.strerror}; look at its owner, its mode and its folder's"))


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reconfigure")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file of settings (default: RECONFIGURE_CONFIG, then /etc/reconfigure/reconfigure.yaml).",
)
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Reconcile this mail tier's live configuration with DynamoDB and Cognito.

    Without a command it shows the status, and what to type next.

    \b
    Exit codes: 0 good, 1 not good, 2 usage, 3 a dry run found differences, 78 configuration.

    \b
    Examples:
      reconfigure                          how does it stand, and what now?
      reconfigure status                   what is live, and is it well?
      reconfigure once --dry-run --diff    what would a pass change?
      reconfigure diff                     what did the last change do?

    A generation is named by its id, by the beginning or end of it that no other has, or by one of the words active,
    before and held.
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be rewrapped
    ctx.obj = config
    if ctx.invoked_subcommand is None:
        importlib.import_module("reconfigure.cli.overview").show(ctx)


def settings_of(ctx: click.Context, *, secrets_required: bool = False) -> Settings:
    """Return the settings a command runs with.

    Raises:
        ConfigurationError: with every mistake in them.
    """
    config: Path | None = ctx.obj
    return load(os.environ, config_path=config, secrets_required=secrets_required)


def fail(error: ReconfigureError) -> NoReturn:
    """Say what went wrong on standard error and end with the error's exit code."""
    try:
        if isinstance(error, ConfigurationError):
            click.echo("reconfigure: the configuration is wrong; nothing was changed", err=True)
            for problem in error.problems:
                click.echo(f"  {problem}", err=True)
        else:
            click.echo(f"reconfigure: {error}", err=True)
    except OSError:  # nobody can be told any more; the exit code still says it
        _give_up(sys.stderr)
    sys.exit(error.exit_code)


def _give_up(stream: TextIO) -> None:
    """Send what is still buffered to nowhere, or the interpreter would stumble over it at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _open_what_is_closed() -> None:
    """Give a process that was started without standard streams those that lead nowhere: much asks them, as isatty.

    In this order, so that each gets its own number, and no file of the state folder becomes somebody's output.
    """
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_WRONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))


def log_to_stderr(settings: Settings, *, least: Level = "info") -> None:
    """Send the log to standard error, for a command whose result goes to standard output.

    Args:
        settings: say the format and the level.
        least: drops what is less urgent even where the settings would have it.
    """
    # Here, so that what does not log need not load it; logs comes before structlog (see there).
    from reconfigure.reporting import logs  # noqa: I001, PLC0415

    import structlog  # noqa: PLC0415

    structlog.contextvars.bind_contextvars(tier=settings.tier.value)
    logs.configure(settings.log_format, max(settings.log_level, least, key=LEVELS.index), stream=sys.stderr)


def operator() -> str:
    """Return who runs this command, for the record: the account, and who became it by sudo."""
    account = _account(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{account} (sudo by {behind})" if behind and behind.isprintable() else account


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def confirm(question: str, *, yes: bool) -> None:
    """Return when the operator agrees, by `--yes` or at the terminal.

    Raises:
        click.UsageError: there is nobody to ask.
        click.Abort: the operator does not agree.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at; look first, then say --yes")
    click.confirm(question, abort=True, err=True)


def main() -> NoReturn:
    """Run the command line."""
    from reconfigure.account import UMASK  # noqa: PLC0415 - with nothing else, so that no command pays for more

    os.umask(UMASK)  # whatever the shell has: what is made here is read by the daemons' accounts
    _open_what_is_closed()
    try:
        cli(prog_name="reconfigure")
    finally:
        try:
            sys.stderr.flush()
        except OSError:  # a log that fits nowhere makes no failure of what was done
            _give_up(sys.stderr)
    sys.exit(0)
