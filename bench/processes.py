"""What processes cost: CPU seconds and peak memory of a command, resident memory of a process that runs.

`ru_maxrss` is of no use for children here: a child starts with its parent's value, so a small program that was started
by a large one seems large. So peaks come from /proc (proc(5): VmHWM, which belongs to one program).
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from reconfigure.settings import Tier

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}

_LOOK_SECONDS = 0.002
_CLEAR_PEAK = "5"  # proc(5), clear_refs: sets VmHWM to what is resident now


class Cost(NamedTuple):
    """CPU and wall-clock seconds, and the most memory that was resident (MB)."""

    cpu: float
    wall: float
    peak_mb: float


def memory(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Return a process's VmRSS or VmHWM in MB (10^6 bytes); 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:")), 0.0)


def forget_peak() -> None:
    """Let this process's VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)


def cost_of(command: Sequence[str], *, stdin: IO[bytes] | None = None, timeout: float = 300.0) -> Cost:
    """Run a command and return what it cost.

    Raises:
        subprocess.CalledProcessError: it failed.
        subprocess.TimeoutExpired: it took too long, and was killed.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    while True:
        peak = max(peak, memory(process.pid, "VmHWM"))
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.perf_counter() - began > timeout:
            process.kill()
            process.wait()
            raise subprocess.TimeoutExpired(command, timeout)
        time.sleep(_LOOK_SECONDS)
    process.returncode = os.waitstatus_to_exitcode(status)
    with process:
        said = process.stderr.read() if process.stderr else b""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - began, peak)


def environment(tier: Tier, *, state: Path, url: str) -> Mapping[str, str]:
    """Return the environment of a measured process: this one's, a tier's settings, and the stand-in for AWS."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "RECONFIGURE_"))}
    path = [*ours.get("PATH", os.defpath).split(":"), "/usr/sbin", "/sbin"]
    return {
        **ours,
        **CREDENTIALS,
        "PATH": ":".join(dict.fromkeys(path)),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "MALLOC_ARENA_MAX": "1",  # as supervisord.conf sets it
        "TIER": tier.value,
        "CERT_DOMAIN": "mail.example.com",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "COGNITO_POOL_ID": f"{REGION}_bench",
        "COGNITO_CLIENT_ID": "bench",
        "RECONFIGURE_CONFIG": os.devnull,
        "RECONFIGURE_STATE_DIR": str(state),
        "RECONFIGURE_SECRETS_DIR": str(state / "secrets"),
        "RECONFIGURE_HOMES_DIR": str(state / "home"),
        "RECONFIGURE_SUPERVISOR_SOCKET": str(state / "none.sock"),
        "RECONFIGURE_ABSENT_PROGRAMS": "skip",
    }
