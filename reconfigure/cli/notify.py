"""`reconfigure notify`: publish a change as the admin app would."""

import click

from reconfigure.cli import settings_of
from reconfigure.directory import syntax
from reconfigure.directory.printable import printable
from reconfigure.errors import ConfigurationError, ReconfigureError
from reconfigure.notify import EVENTS, NotPublishedError, publish


def _address(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for text in given:
        unfit = syntax.mailbox(text)
        if isinstance(unfit, syntax.Unfit):
            raise click.BadParameter(f"{printable(text)} is not an address that is ever served: {unfit.detail}")
    return given


@click.command("notify")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS ...]", callback=_address)
@click.option("--event", type=click.Choice(EVENTS), help="What changed; address_changed with addresses, else resync.")
@click.pass_context
def command(ctx: click.Context, *, addresses: tuple[str, ...], event: str | None) -> None:
    """Publish a change as the admin app would, and print the message's id.

    To the topic (RECONFIGURE_TOPIC_ARN), which reaches every tier; where none is set, to this tier's queue
    (SQS_QUEUE_URL). A message is only a hint: it makes a pass come sooner and never changes what it does.

    \b
    Examples:
      reconfigure notify shop@acme.example.com
      reconfigure notify                               everything may have changed
      reconfigure notify --event user_changed
    """  # noqa: D301
    settings = settings_of(ctx)
    topic, queue = settings.topic_arn, settings.sqs_queue_url
    if topic is None and queue is None:
        raise ConfigurationError(
            "RECONFIGURE_TOPIC_ARN and SQS_QUEUE_URL: neither is set, so there is nowhere to publish to; set one"
        )
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a quarter of a second
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        identifier = publish(
            addresses,
            event=event or ("address_changed" if addresses else "resync"),
            topic_arn=topic,
            queue_url=None if topic is not None else queue,
            region=settings.aws_region if topic is None else None,
            endpoint_url=settings.aws_endpoint_url,
        )
    except (ResponseParserError, LookupError) as error:
        raise ReconfigureError(
            f"publishing to {topic or queue} failed: what came back is no answer of AWS ({type(error).__name__}); look "
            "at AWS_ENDPOINT_URL and what stands between. Whether it was published is not known; again does no harm"
        ) from error
    except (BotoCoreError, ClientError, NotPublishedError) as error:
        raise ReconfigureError(
            f"publishing to {topic or queue} failed: {error}; look at the network, at the credentials and whether they "
            f"allow {'sns:Publish' if topic else 'sqs:SendMessage'}. Sending it again does no harm"
        ) from error
    click.echo(identifier)
