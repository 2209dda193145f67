# SPDX-License-Identifier: MIT
"""What a server in Python does with memory: requests are parsed, answered and
forgotten, sessions and a cache stay for a while. The argument is how many."""

import json
import random
import sys
from collections import OrderedDict

CACHE_ENTRIES = 4000
SESSIONS = 3000


class Session:
    def __init__(self, user):
        self.user = user
        self.seen = []
        self.values = {}


def request(rng, number):
    return json.dumps({
        "id": number, "user": f"user-{rng.randrange(SESSIONS * 2)}",
        "path": f"/item/{rng.randrange(20000)}/view",
        "tags": [f"tag{rng.randrange(100)}" for _ in range(rng.randrange(12))],
        "body": "x" * rng.randrange(2000)})


def answer(sessions, cache, text):
    asked = json.loads(text)
    session = sessions.get(asked["user"])
    if session is None:
        session = sessions[asked["user"]] = Session(asked["user"])
        if len(sessions) > SESSIONS:
            sessions.pop(next(iter(sessions)))
    session.seen.append(asked["path"])
    del session.seen[:-20]
    session.values[asked["id"] % 10] = asked["tags"]
    page = cache.get(asked["path"])
    if page is None:
        rows = [{"n": n, "text": f"{asked['path']} {n} " + "y" * (n * 7 % 90)}
                for n in range(20)]
        page = "".join(f"<li>{row['n']}: {row['text']}</li>" for row in rows)
        cache[asked["path"]] = page
        if len(cache) > CACHE_ENTRIES:
            cache.popitem(last=False)
    return json.dumps({"user": session.user, "page": page,
                       "seen": session.seen}).encode()


def main():
    rng = random.Random(1)
    sessions, cache, sent = {}, OrderedDict(), 0
    for number in range(int(sys.argv[1])):
        sent += len(answer(sessions, cache, request(rng, number)))
    print(sent)


main()
