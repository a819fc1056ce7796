"""A table of people that an app has already, and the template that puts a row into its tokens.

The three `own_users_*` examples share it. Sessions and people are two files in OWN_USERS_FOLDER,
or in `instance/own_users/` beside this file.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("OWN_USERS_FOLDER") or Path(__file__).parent / "instance/own_users")
FOLDER.mkdir(parents=True, exist_ok=True)

#: Claims that are columns of the table, under the names that front ends have always read.
COLUMNS = {
    "managerOSUserId": "manager_os_user_id",
    "organizationId": "organization_id",
    "organizationName": "organization_name",
    "organizationSlug": "organization_slug",
    "personId": "person_id",
    "role": "role",
}
TEMPLATE = {
    **{claim: f"{{{{user.public_metadata.{claim}}}}}" for claim in COLUMNS},
    "fullName": "{{user.full_name}}",
    "primaryEmail": "{{user.primary_email_address}}",
}

database = sqlite3.connect(FOLDER / "people.db", isolation_level=None, check_same_thread=False)
database.row_factory = sqlite3.Row
database.executescript("""
CREATE TABLE IF NOT EXISTS people (
    user_id TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT,
    manager_os_user_id INTEGER, organization_id INTEGER, organization_name TEXT,
    organization_slug TEXT, person_id INTEGER, role TEXT
);
INSERT OR IGNORE INTO people VALUES
    ('ada', 'Ada', 'Lovelace', 'ada@example.com', 7, 3, 'Analytical Engines', 'engines', 41,
     'lead'),
    ('grace', 'Grace', 'Hopper', 'grace@example.com', 9, 3, 'Analytical Engines', 'engines', 42,
     NULL);
""")


def metadata_of(user_id: str) -> dict[str, Any] | None:
    """What the claims need of a row; None: there is no such person."""
    row = row_of(user_id)
    return None if row is None else {claim: row[column] for claim, column in COLUMNS.items()}


def profile_of(user_id: str) -> dict[str, Any]:
    """The fields of a user in the directory, for a person who is in the table."""
    row = row_of(user_id)
    if row is None:
        return {}
    names = {"first_name": row["first_name"], "last_name": row["last_name"]}
    return {**names, "primary_email_address": row["email"]}


def row_of(user_id: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = database.execute(
        "SELECT * FROM people WHERE user_id = ?", (user_id,)
    ).fetchone()
    return found


def change_role(user_id: str, role: str | None) -> None:
    database.execute("UPDATE people SET role = ? WHERE user_id = ?", (role, user_id))


def what_to_try(start: str, port: int) -> str:
    site = f"http://127.0.0.1:{port}"
    return f"""
An app with users of its own; started by: {start}
People and sessions are in {FOLDER}

  sign in         curl -c jar -H 'Origin: {site}' -d user=ada {site}/sign-in
  the claims      curl -b jar -c jar {site}/profile
  change a row    curl -b jar -c jar -H 'Origin: {site}' -d role=chief {site}/role
  the new ones    curl -b jar -c jar {site}/profile
"""
