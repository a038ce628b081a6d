"""What one login costs in CPU time: asked of the resident helper, against a Python that is started for it.

    python -m bench.login [--logins 200]

The AWS double runs in this process, so its own time is not counted: only the helper's, or that of the process started.
"""

import argparse
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from embedded import sample
from embedded.aws import serving

_STARTS = 10
_DEADLINE_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")

# What a program that sendmail or Dovecot starts for each login would have to do, at the least.
_ALONE = """
import sys
from botocore import UNSIGNED
from botocore.config import Config
import botocore.session
client = botocore.session.get_session().create_client(
    "cognito-idp", region_name=sys.argv[1], endpoint_url=sys.argv[2], config=Config(signature_version=UNSIGNED))
client.initiate_auth(AuthFlow="USER_PASSWORD_AUTH", ClientId=sys.argv[3],
    AuthParameters={"USERNAME": "alice", "PASSWORD": sys.argv[4]})
"""


def main() -> None:
    """Print the milliseconds of CPU for each way."""
    parser = argparse.ArgumentParser(prog="python -m bench.login", description="CPU time of a login.")
    parser.add_argument("--logins", type=int, default=200)
    logins = parser.parse_args().logins
    with serving() as world, tempfile.TemporaryDirectory(prefix="login-") as name:
        folder = Path(name)
        users = folder / "current" / "passwd"
        users.mkdir(parents=True)
        (users / "passwd").write_text("alice:x:2001:2001::/home/alice:/usr/sbin/nologin\n")
        environ = os.environ | {
            "TIER": "smtp-out",
            "CERT_DOMAIN": sample.CERT_DOMAIN,
            "AWS_REGION": world.region,
            "AWS_ENDPOINT_URL": world.url,
            "COGNITO_POOL_ID": world.pool_id,
            "COGNITO_CLIENT_ID": world.client_id,
            "RECONFIGURE_STATE_DIR": name,
            "RECONFIGURE_LOGIN_DIR": name,
            "RECONFIGURE_SENDING_DIR": f"{name}/sending",
            "MALLOC_ARENA_MAX": "1",
        }
        asked = _helper(folder, environ | {"RECONFIGURE_LOGIN_CACHE": "0"}, logins)
        print(f"helper, Cognito asked each time   {asked[0]:8.2f} ms   resident {asked[1]:.1f} MB")
        print(f"helper, answer remembered         {_helper(folder, environ, logins)[0]:8.2f} ms")
        before = _children()
        for _ in range(_STARTS):
            arguments = [world.region, world.url, world.client_id, sample.PASSWORD]
            subprocess.run([sys.executable, "-c", _ALONE, *arguments], check=True, timeout=60)
        print(f"a Python started for each login   {(_children() - before) / _STARTS * 1000:8.2f} ms")


def _helper(folder: Path, environ: dict[str, str], logins: int) -> tuple[float, float]:
    """Return CPU milliseconds a login, and resident MB at the end."""
    command = [sys.executable, "-m", "reconfigure", "login"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as helper:
        try:
            _login(folder, patient=True)
            before = _ticks(helper.pid)
            for _ in range(logins):
                _login(folder)
            spent = _ticks(helper.pid) - before
            status = Path(f"/proc/{helper.pid}/status").read_text()
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        finally:
            helper.terminate()
    return spent / _TICKS / logins * 1000, resident / 1024


def _login(folder: Path, *, patient: bool = False) -> None:
    """Log in as sendmail's SASL library does; patiently: waiting for the helper to be there."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with socket.socket(socket.AF_UNIX) as client:
        while True:
            try:
                client.connect(str(folder / "mux"))
                break
            except OSError:
                if not patient or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        for text in ("alice", sample.PASSWORD, "smtp", ""):
            client.sendall(struct.pack("!H", len(text)) + text.encode())
        if client.recv(16)[2:] != b"OK":
            raise SystemExit("the login failed; look at what the helper logs")


def _ticks(pid: int) -> int:
    """Return a process's CPU time so far (proc(5), stat: utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
