"""Tells the stand-in for AWS to add an address to its world; apart from `server`, which need not be loaded to do it."""

import http.client


def tell(url: str, *, more: bool) -> None:
    """Add the one address more to the world that is served, or take it away.

    Raises:
        OSError: the server is not there.
    """
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("PUT" if more else "DELETE", "/bench/more")
        connection.getresponse().read()
    finally:
        connection.close()
