from pathlib import Path

import pytest

from embedded.places import Places
from reconfigure.settings import Tier


def test_sockets_lie_in_the_state_folder_when_its_path_is_short() -> None:
    assert Places(Path("/home/someone/reconfigure/.state")).sockets == Path("/home/someone/reconfigure/.state/run")


@pytest.mark.parametrize("length", [60, 84, 85, 86, 90, 107, 300])
def test_every_socket_path_fits_into_a_socket_address_with_supervisords_suffix(length: int) -> None:
    places = Places(Path("/" + "x" * (length - 1)))
    for socket in (places.socket, *map(places.tier_socket, Tier)):
        assert len(f"{socket}.4194304".encode()) <= 107


def test_two_long_checkouts_do_not_share_a_socket_folder() -> None:
    one, other = (Places(Path("/" + "x" * 120) / name) for name in ("a", "b"))
    assert one.sockets != other.sockets


def test_a_socket_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    places = Places(tmp_path / "state")
    places.make()
    places.sockets.chmod(0o777)
    with pytest.raises(PermissionError, match="remove it"):
        places.make()


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    places = Places(tmp_path / "state")
    places.state.mkdir()
    places.sockets.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="remove it"):
        places.make()
