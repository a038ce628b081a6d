"""The task itself: supervisord's programs, ports, the live generation, orders, disks, who may read what."""

import os
import pwd
import stat
from pathlib import Path

from reconfigure.checkup.finding import Absent, Check, Harm
from reconfigure.daemons import Program, Supervisor
from reconfigure.errors import ReconfigureError, ReloadError
from reconfigure.generations.store import GenerationStore, is_sound
from reconfigure.reporting.orders import Orders
from reconfigure.runbooks import OF_CAUSES
from reconfigure.settings import Settings, Tier
from reconfigure.standing import LOOP
from reconfigure.standing.ports import PORTS, silences

MAIL_QUEUE = Path("/var/spool/mqueue")
EXTRAUSERS = Path("/var/lib/extrausers")
NSSWITCH = Path("/etc/nsswitch.conf")

LITTLE = 0.10  # share of a disk that is free
NEARLY_NOTHING = 0.02
OTHERS_READ = 0o004
OTHERS_WRITE = 0o022
_PATIENCE = 3.0


def checks(settings: Settings) -> dict[str, Check]:
    """Return the checks of what is in this container."""
    return {
        "programs": lambda: _programs(settings),
        "ports": lambda: _ports(settings),
        "generation": lambda: _generation(settings),
        "orders": lambda: _orders(settings),
        "disk": lambda: _disks(settings),
        "state folder": lambda: _state_folder(settings),
        "secrets": lambda: _secrets(settings),
        "accounts": lambda: _accounts(settings),
    }


def _all(settings: Settings) -> tuple[Program, ...]:
    if not settings.supervisor_socket.exists():
        raise Absent(f"no supervisord at {settings.supervisor_socket}")
    try:
        return Supervisor(settings.supervisor_socket, timeout=_PATIENCE).programs()
    except ReloadError as error:
        raise Harm(
            str(error), means="a daemon that ends is not started again", fix="replace this task", state="failed"
        ) from error


def _programs(settings: Settings) -> str:
    found = _all(settings)
    down = [one for one in found if not one.is_as_it_should_be]
    if not down:
        return f"{len(found)} programs as they should be"
    names = ", ".join(f"{one.name} is {one.state} {one.detail}".rstrip() for one in down)
    first = down[0].name
    if all(one.state == "STARTING" for one in down):
        raise Harm(
            names, means="it is not known yet whether it stays up", fix="look again in a minute", state="warning"
        )
    raise Harm(
        names,
        means="what it does for mail is not done; what it would have taken waits at the sender",
        fix=f"supervisorctl start {first}; the container's log says why it ended",
        runbook=OF_CAUSES["loop" if first == LOOP else "daemon"],
    )


def _ports(settings: Settings) -> str:
    found = _all(settings)
    if not any(one.name.startswith("mail:") for one in found):
        raise Absent("no mail daemons are run here")
    ports = PORTS[settings.tier]
    shut = list(silences(settings, found, ports, patience=_PATIENCE))
    if dead := [f"{each.port.number}: {each.why}" for each in shut if not each.busy]:
        raise Harm(
            f"no greeting on port {'; '.join(dead)}",
            means="clients and other servers are refused there; mail waits where it is",
            fix="supervisorctl status; supervisorctl restart mail:*",
        )
    if shut:
        port = shut[0].port
        who = "ps -C sendmail -o args" if port.process == "sendmail" else "doveadm who"
        raise Harm(
            f"clients are turned away from port {'; '.join(f'{each.port.number}: {each.busy}' for each in shut)}",
            means="who has a session is served; others are told to come back, and their mail waits where it is",
            fix=f"{who} says who has them; raise RECONFIGURE_{port.limit.upper()} or run more tasks; no restart",
        )
    return f"ports {', '.join(str(port.number) for port in ports)} answer"


def _generation(settings: Settings) -> str:
    store = GenerationStore(settings.state_dir)
    try:
        active = store.active()
        if active is None:
            raise Harm(
                "there is none",
                means="the daemons are not started before there is one",
                fix="reconfigure once; it says what keeps it from one",
            )
    except ReconfigureError as error:
        raise _damaged(str(error)) from error
    files = {store.path(active.id) / name: record for name, record in active.files.items()}
    # Root without the right to pass over modes may not read what belongs to other accounts alone.
    closed = [path for path in files if path.exists() and not os.access(path, os.R_OK)]
    wrong = [path.name for path, record in files.items() if path not in closed and not is_sound(path, record)]
    if wrong:
        raise _damaged(f"{', '.join(wrong)} of {active.id} changed since the generation was built")
    but = f", but for {len(closed)} that this account may not read" if closed else ""
    return f"{active.id} is whole: every file is as it was made{but}"


def _damaged(seen: str) -> Harm:
    return Harm(
        seen,
        means="daemons may read less than they should: what they cannot read they put off",
        fix="reconfigure once, which builds it anew",
    )


def _orders(settings: Settings) -> str:
    orders = Orders(settings.state_dir)
    held = GenerationStore(settings.state_dir).held()
    if (pause := orders.pause()) is not None:
        raise Harm(
            pause.told, means="changes wait", fix="reconfigure resume", state="warning", runbook=OF_CAUSES["paused"]
        )
    if (pin := orders.pin()) is not None:
        raise Harm(
            pin.told,
            means="what the source says otherwise waits",
            fix="reconfigure resume",
            state="warning",
            runbook=OF_CAUSES["pin"],
        )
    if held is not None:
        raise Harm(
            f"generation {held.id} is held: {'; '.join(held.reasons)}",
            means="changes wait until somebody has looked",
            fix="reconfigure diff --held; reconfigure approve",
            state="warning",
            runbook=OF_CAUSES["guard"],
        )
    return "nothing is paused, pinned or held"


def _disks(settings: Settings) -> str:
    places = [settings.state_dir, *([settings.homes_dir] if settings.tier is Tier.IMAP else []), MAIL_QUEUE]
    seen, worst = [], 1.0
    for place in places:
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        blocks = found.f_bavail / found.f_blocks if found.f_blocks else 1.0
        inodes = found.f_favail / found.f_files if found.f_files else 1.0
        seen.append(f"{place} {blocks:.0%} free ({inodes:.0%} of its inodes)")
        worst = min(worst, blocks, inodes)
    if worst > LITTLE:
        return ", ".join(seen)
    raise Harm(
        ", ".join(seen),
        means="with no room left mail is put off, and no generation can be built",
        fix="df -h; df -i; make room or a larger volume",
        state="failed" if worst <= NEARLY_NOTHING else "warning",
    )


def _state_folder(settings: Settings) -> str:
    folder = settings.state_dir
    for each in (folder, *folder.parents):
        found = stat.S_IMODE(each.stat().st_mode)
        if found & OTHERS_WRITE and not (found & stat.S_ISVTX and each != folder):
            raise Harm(
                f"others may write to {each} (mode {found:o})",
                means="sendmail takes no map that lies below it, and puts all mail off",
                fix=f"chmod go-w {each}",
            )
    return f"nobody else may write to {folder}, or to what it lies in"


def _secrets(settings: Settings) -> str:
    folder = settings.secrets_dir
    if not folder.is_dir():
        raise Absent(f"no {folder}: prepare has written no secrets here")
    private = [path for path in folder.iterdir() if path.suffix not in {".crt", ".pem"}]
    open_to_all = [path.name for path in private if stat.S_IMODE(path.stat().st_mode) & OTHERS_READ]
    if open_to_all:
        raise Harm(
            f"everybody in this container may read {', '.join(sorted(open_to_all))} in {folder}",
            means="a daemon that is broken into gives the key away",
            fix="restart this container: prepare writes them anew",
        )
    return f"private files in {folder}: {len(private)}, none readable by everybody"


def _accounts(settings: Settings) -> str:
    """Check that the system finds users where generations put them (nsswitch.conf(5), libnss-extrausers)."""
    live = settings.state_dir / "current/passwd/passwd"
    if settings.static_dir is None:
        raise Absent("no RECONFIGURE_STATIC_DIR: no daemon here looks up users")
    means = "users of the live generation are none to the system: their mail is put off, they cannot log in"
    switches = [line.split() for line in NSSWITCH.read_text(encoding="utf-8").splitlines()]
    if not any(line[:1] == ["passwd:"] and "extrausers" in line for line in switches):
        raise Harm(f"{NSSWITCH} does not name extrausers for passwd", means=means, fix="rebuild the image")
    if not live.exists():
        raise Absent("this tier renders no accounts, or none yet")
    if not (EXTRAUSERS / "passwd").exists() or not (EXTRAUSERS / "passwd").samefile(live):
        fix = f"ln -sfn {live.parent} {EXTRAUSERS} (in the image)"
        raise Harm(f"{EXTRAUSERS}/passwd is not {live}", means=means, fix=fix)
    names = [
        line.split(":", 1)[0] for line in live.read_text(encoding="ascii").splitlines() if not line.startswith("#")
    ]
    missing = [name for name in names[:20] if not _known(name)]
    if missing:
        raise Harm(f"the system does not know {', '.join(missing)}", means=means, fix="id " + missing[0])
    return f"{len(names)} users, known to the system"


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
