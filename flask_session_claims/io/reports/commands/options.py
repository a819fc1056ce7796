"""What the options of the commands do, in the words of every command line's help."""

from __future__ import annotations

from typing import Final

ALL: Final = "Session claims: look, check, explain, change."
SESSIONS: Final = "List, show and revoke sessions of this app's own."
KEYS: Final = """Show the keys that verify tokens; rotate and remove the app's own.

Without a command: list."""

AS_JSON: Final = "Print one JSON object, for machines."
AT_ONCE: Final = "Let the new key sign now."
FETCH: Final = "Fetch the key set if it is not at hand."
KEEP: Final = "All but this one."
LIFETIME: Final = "5 to 3600; without it: SESSION_TOKEN_LIFETIME. It never outlives the session."
ONE_USER: Final = "The same as the argument."
USERS_ALL: Final = "End all sessions of this user."
