"""What the three front-end sites have in common: pages, and what is done behind their backs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BUNDLES = Path(os.environ["BUNDLES"])
WORK = Path(os.environ["SITE_FOLDER"])
#: The other origins whose pages call the API, and the headers that the front end adds.
PAGES = os.environ["PAGES"].split()
HEADERS = ["content-type", "rid", "authorization", "st-auth-mode", "fdi-version"]
#: Ours that it reads. They expose themselves, but for what Quart-CORS says beside them by default.
READS = ["front-token", "st-access-token", "st-refresh-token"]
#: In the order in which a page loads them; their files have a hash in their names.
_PARTS = ("website", "dateprovider", "supertokens", "session")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Frontend</title>
{scripts}
<script>
const told = [];
supertokens.init({{
  appInfo: {{ appName: "site", apiDomain: "{api}", apiBasePath: "/auth" }},
  recipeList: [supertokensSession.init({{
    tokenTransferMethod: "{method}", onHandleEvent: event => told.push(event),
  }})],
}});
const Session = supertokensSession;
const call = async (path, how = "GET") => {{
  const response = await fetch("{api}" + path, {{ method: how }});
  return {{ status: response.status, body: await response.json() }};
}};
const callByXhr = path => new Promise(done => {{
  const asked = new XMLHttpRequest();
  asked.onload = () => done({{ status: asked.status, body: JSON.parse(asked.responseText) }});
  asked.open("GET", "{api}" + path);
  asked.send();
}});
</script>
"""
REACT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>React</title>
<div id="root"></div><script src="/built/frontend.js"></script>
"""


def page(query: Any, here: str) -> str:
    """A page that is not built; `here` is the origin of the API where the query names none."""
    files = (next(BUNDLES.glob(f"{part}.*.js")).name for part in _PARTS)
    scripts = "\n".join(f'<script src="/bundle/{name}"></script>' for name in files)
    return _PAGE.format(scripts=scripts, api=query.get("api") or here, method=query["method"])


def script(folder: str, name: str) -> str:
    """The text of a script at /bundle/… or /built/…"""
    return ((BUNDLES if folder == "bundle" else WORK) / Path(name).name).read_text("utf-8")


class Behind:
    """What has happened, for the test alone."""

    def __init__(self) -> None:
        self.confirmed: set[str] = set()
        #: Each call of the API, and how it was answered.
        self.calls: list[str] = []

    def is_confirmed(self, user_id: str, session: Any) -> bool:
        return user_id in self.confirmed

    def note(self, method: str, path: str, status: int) -> None:
        if path.startswith(("/api/", "/auth/")):
            self.calls.append(f"{method} {path} {status}")

    def act(self, act: str, user_id: str) -> None:
        if act == "confirm":
            self.confirmed.add(user_id)
        if act == "forget":
            self.confirmed.discard(user_id)
            self.calls.clear()
