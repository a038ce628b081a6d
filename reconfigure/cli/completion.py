"""`reconfigure completion`: the script that makes a shell complete commands, options and generations."""

import click
from click.shell_completion import get_completion_class

INSTALL = {
    "bash": "reconfigure completion bash > /etc/bash_completion.d/reconfigure",
    "zsh": 'reconfigure completion zsh > "${fpath[1]}/_reconfigure"',
    "fish": "reconfigure completion fish > ~/.config/fish/completions/reconfigure.fish",
}
VARIABLE = "_RECONFIGURE_COMPLETE"  # click's: _<PROGRAM>_COMPLETE


@click.command("completion")
@click.argument("shell", type=click.Choice(list(INSTALL)))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and generations.

    \b
    Examples:
      reconfigure completion bash > /etc/bash_completion.d/reconfigure
      reconfigure completion zsh > "${fpath[1]}/_reconfigure"
      reconfigure completion fish > ~/.config/fish/completions/reconfigure.fish
      source <(reconfigure completion bash)       for this shell only
    """  # noqa: D301
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    # The template and not `source()`, which runs bash to ask its version, also where the script is for elsewhere.
    script = made(ctx.find_root().command, {}, "reconfigure", VARIABLE)
    click.echo(_with_hint(script.source_template % script.source_vars(), INSTALL[shell]))


def _with_hint(script: str, install: str) -> str:
    """Put how to install a script into it; zsh wants its #compdef line first."""
    hint = f"# To install: {install}"
    first, end, rest = script.partition("\n")
    return f"{first}\n{hint}{end}{rest}" if first.startswith("#compdef") else f"{hint}\n{script}"
