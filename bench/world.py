"""A synthetic world of any size, as files of answers that AWS would give: pages of Scan and of ListUsers.

The AWS double is too slow to fill with a million rows, and would be measured instead of us. So the answers are made
beforehand, and `server` only sends them. Equal size and seed give equal bytes. Nothing here is committed.
"""

import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PAGE_BYTES = 1_000_000  # DynamoDB's limit is 1 MB of item size, before the projection
USERS_PAGE = 60
FIRST_UID = 2000
APEX = "example.com"
MORE = "one.more"  # local part of the address that comes with the last page when the server is told so
INDEX = "index.json"

# Shares of the addresses, as remainders that never meet: 2 % shared, 1 % suspended, 0.5 % dangling.
_SHARED = (50, 7)
_SUSPENDED = (100, 3)
_DANGLING = (200, 11)

_WORDS = "shop bank news club jobs team press orders travel school garden health music photo games tools".split()

Row = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class World:
    """What was written: how many of everything, and how many pages it lies on."""

    size: int
    seed: int
    domains: int
    users: int
    active: int
    suspended: int
    dangling: int
    scan_pages: int
    user_pages: int

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Return the world that lies in a folder."""
        return cls(**json.loads((folder / INDEX).read_text()))


def write(folder: Path, size: int, *, seed: int = 1) -> World:
    """Write the answers for so many addresses into a folder, and return what they hold.

    `scan-<n>.json` and `users-<n>.json`, counted from 0; `more.json` is the last scan page with one address more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    users = max(10, size // 50)
    domains = max(1, size // 20)
    counts = dict.fromkeys(("active", "suspended", "dangling"), 0)
    number, used = 0, 0
    held: list[str] = []
    for state, row in _rows(size, domains, users, random.Random(seed)):
        counts[state] += 1
        text = json.dumps(row, separators=(",", ":"))
        if used + len(text) > PAGE_BYTES:
            _scan_page(folder / f"scan-{number}.json", held, last=number)
            number, held, used = number + 1, [], 0
        held.append(text)
        used += len(text) + 1
    _scan_page(folder / f"scan-{number}.json", held, last=None)
    more = _row(MORE, f"d0.{APEX}", "user0")
    _scan_page(folder / "more.json", [*held, json.dumps(more)], last=None)
    world = World(
        size=size,
        seed=seed,
        domains=domains,
        users=users,
        scan_pages=number + 1,
        user_pages=_write_users(folder, users),
        **counts,
    )
    (folder / INDEX).write_text(json.dumps(asdict(world)))
    return world


def _rows(size: int, domains: int, users: int, chance: random.Random) -> Iterator[tuple[str, Row]]:
    """Yield (state, row) of every address, in no order, as a hash table would."""
    stride = int(size * 0.618) | 1
    while math.gcd(stride, size) != 1:
        stride += 2
    at = 0
    for _ in range(size):
        at = (at + stride) % size
        # Not by the same remainder as the states below, or each domain would have one state.
        local, domain = f"{_WORDS[chance.randrange(len(_WORDS))]}-{at}", f"d{at * 7919 % domains}.{APEX}"
        owner = chance.randrange(users)
        user, state = f"user{owner}", "active"
        if at % _SHARED[0] == _SHARED[1]:
            user = f"user{owner}/user{(owner + 1) % users}"
        elif at % _DANGLING[0] == _DANGLING[1]:
            user, state = f"gone{owner}", "dangling"
        row = _row(local, domain, user)
        if at % _SUSPENDED[0] == _SUSPENDED[1]:
            state, row["suspended"] = "suspended", {"BOOL": True}
        yield state, row


def _row(local: str, domain: str, user: str) -> Row:
    return {
        "address": {"S": f"{local}@{domain}"},
        "username": {"S": local},
        "subdomain": {"S": domain.removesuffix(f".{APEX}")},
        "tld": {"S": APEX},
        "user": {"S": user},
    }


def _scan_page(path: Path, rows: list[str], *, last: int | None) -> None:
    """Write one answer of Scan; `last` is the page's number when there is a next one."""
    tail = ""
    if last is not None:
        key: Mapping[str, Any] = {"address": json.loads(rows[-1])["address"]}
        tail = f',"LastEvaluatedKey":{json.dumps(key, separators=(",", ":"))}'
    head = f'{{"Count":{len(rows)},"ScannedCount":{len(rows)}{tail},"Items":['
    path.write_text(head + ",".join(rows) + "]}")


def _write_users(folder: Path, users: int) -> int:
    pages = math.ceil(users / USERS_PAGE)
    for page in range(pages):
        answer: dict[str, Any] = {
            "Users": [
                {
                    "Username": f"user{number}",
                    "Attributes": [
                        {"Name": "sub", "Value": f"00000000-0000-4000-8000-{number:012d}"},
                        {"Name": "custom:osid", "Value": str(FIRST_UID + number)},
                    ],
                    "UserCreateDate": 1_790_000_000,
                    "UserLastModifiedDate": 1_790_000_000,
                    "Enabled": True,
                    "UserStatus": "CONFIRMED",
                }
                for number in range(page * USERS_PAGE, min(users, (page + 1) * USERS_PAGE))
            ]
        }
        if page + 1 < pages:
            answer["PaginationToken"] = str(page + 1)
        (folder / f"users-{page}.json").write_text(json.dumps(answer, separators=(",", ":")))
    return pages
