"""The module, with nothing given that need not be; and an AWS double of its own in which it is deployed."""

from collections.abc import Iterator

import pytest

from embedded.aws import Clients, Server
from tests.terraform.deployed import deploy
from tests.terraform.module import GIVEN, Module


@pytest.fixture(scope="session")
def module() -> Module:
    """The module as an installation uses it that has nothing yet but a user pool.

    Under names that no other test has, since a double's content is shared by the whole process.
    """
    names = {"name": "tf-messages", "addresses_table_name": "tf-addresses"}
    return Module(given={**GIVEN, **names, "create_addresses_table": True})


@pytest.fixture(scope="session")
def aws(module: Module) -> Iterator[Clients]:
    """Clients of a double that holds what the module makes there."""
    with Server() as server:
        clients = Clients(server.url)
        deploy(module, clients)
        yield clients
