"""The demo from its front door to its second terminal: its own process, its own store and key."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.demo import DEMO, Demo, Person
from tests.examples.servers import ask, browser, free_port, serving


def test_the_demo_greets_nobody_first(demo: Demo) -> None:
    answer = ask(f"{demo.url}/", {})
    assert answer.status_code == 200
    assert "Who are you?" in answer.text
    assert "session-token-missing" in answer.text
    assert answer.text.count('name="user"') == 3


def test_no_page_runs_a_script_or_loads_from_elsewhere(
    demo: Demo, person: Callable[[], Person]
) -> None:
    ada = person()
    for page in (
        ada.look(),
        ada.sign_in("ada"),
        *map(ada.look, ("/members", "/office", "/metadata")),
    ):
        assert "<script" not in page
        assert " style=" not in page
        assert not re.search(r'(?:src|href|action)="(?!/(?!/))', page)
    policy = ask(f"{demo.url}/", {}).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert ask(f"{demo.url}/static/demo.css", {}).status_code == 200
    assert ask(f"{demo.url}/static/icon.svg", {}).status_code == 200


@pytest.mark.parametrize(
    ("name", "full_name", "status"),
    [("ada", "Ada Lovelace", 200), ("grace", "Grace Hopper", 200),
     ("katherine", "Katherine Johnson", 403)],
)  # fmt: skip
def test_a_person_signs_in_sees_what_the_plan_gives_and_signs_out(
    person: Callable[[], Person], name: str, full_name: str, status: int
) -> None:
    someone = person()
    home = someone.sign_in(name)
    assert f"Hello, {full_name}" in home
    assert f'"user_{name}"' in home
    assert "Firefox on Linux" in home
    assert someone.session.get(f"{someone.url}/members", timeout=10).status_code == status
    assert someone.session.get(f"{someone.url}/profile", timeout=10).json() == {
        "fullName": full_name, "userId": f"user_{name}"
    }  # fmt: skip
    left = someone.send("/auth/signout", redirect_url="/")
    assert "Who are you?" in left.text
    assert not someone.session.cookies


def test_a_merged_claim_is_in_force_at_once_and_an_empty_value_removes_it(
    person: Callable[[], Person],
) -> None:
    katherine = person()
    _ = katherine.sign_in("katherine")
    assert "Not with this plan" in katherine.look("/members")
    page = katherine.send("/claims", name="plan", value="pro")
    assert '"pro"' in html.unescape(page.text)
    assert "Members only" in katherine.look("/members")
    _ = katherine.send("/claims", name="seats", value='{"used": 3}')
    assert '{"used": 3}' in katherine.look()
    _ = katherine.send("/claims", name="plan", value="")
    assert "yours is\n  <code>none</code>" in katherine.look("/members")


def test_a_refused_claim_is_explained_beside_its_field(person: Callable[[], Person]) -> None:
    ada = person()
    _ = ada.sign_in("ada")
    reply = ada.send("/claims", name="sub", value='"><b>user_grace')
    assert reply.status_code == 400
    assert "'sub' cannot be set" in html.unescape(reply.text)
    assert "<b>" not in reply.text
    assert 'aria-describedby="refused" autofocus' in reply.text
    assert '"user_ada"' in ada.look()


def test_devices_are_listed_and_signed_out_one_by_one_or_all_others(
    person: Callable[[], Person],
) -> None:
    laptop, phone, desk = person(), person(), person()
    for device in (laptop, phone, desk):
        _ = device.sign_in("ada")
    own = re.search(r"(sess_[\w-]+)", phone.look().split("this one")[1])
    assert own is not None
    assert len(laptop.devices()) == 3

    assert laptop.send(f"/devices/{own[1]}/sign-out").status_code == 200
    assert "This session was ended from another place." in phone.look()
    assert len(laptop.devices()) == 2

    _ = laptop.send("/devices/others/sign-out")
    assert "session-revoked" in desk.look()
    [last] = laptop.devices()

    assert "Who are you?" in laptop.send(f"/devices/{last}/sign-out").text
    assert "session-token-missing" in laptop.look()


def test_nobody_signs_out_the_device_of_another(person: Callable[[], Person]) -> None:
    ada, grace = person(), person()
    _, _ = ada.sign_in("ada"), grace.sign_in("grace")
    [device] = ada.devices()
    assert grace.send(f"/devices/{device}/sign-out").status_code == 404
    assert "Hello, Ada" in ada.look()


def test_cookies_last_only_as_long_as_asked_for(person: Callable[[], Person]) -> None:
    ada, grace = person(), person()
    assert "until the browser closes" not in ada.sign_in("ada")
    assert all(cookie.expires for cookie in ada.session.cookies)
    assert "until the browser closes" in grace.sign_in("grace", forget="1")
    assert all(cookie.expires is None for cookie in grace.session.cookies)


def test_another_site_signs_nobody_in(demo: Demo) -> None:
    with browser() as session:
        headers = {"Sec-Fetch-Site": "cross-site"}
        reply = session.post(
            f"{demo.url}/sign-in", data={"user": "ada"}, headers=headers, timeout=10
        )
        assert reply.status_code == 403
        assert not session.cookies


def test_the_demo_sends_browsers_home_to_sign_in(demo: Demo) -> None:
    answer = ask(f"{demo.url}/profile?a=1", {"Accept": "text/html"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/?redirect_url=%2Fprofile%3Fa%3D1"
    assert ask(f"{demo.url}/profile", {"Accept": "*/*"}).status_code == 401


def test_who_was_sent_to_sign_in_comes_back_to_the_page_asked_for(
    person: Callable[[], Person],
) -> None:
    ada = person()
    page = ada.look("/members?from=mail")
    [noted] = re.findall(r'name="redirect_url" value="([^"]*)"', page)
    reply = ada.send("/sign-in", user="ada", redirect_url=noted)
    assert (reply.status_code, reply.url) == (200, f"{ada.url}/members?from=mail")
    ada.sign_in("ada", redirect_url="https://other.example/")


def test_each_command_that_the_demo_prints_works(demo: Demo, person: Callable[[], Person]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing, and two of the commands are curl's")
    ada = person()
    _ = ada.sign_in("ada")
    [session_id] = ada.devices()
    printed = re.findall(r"^  (\w[\w ]+?) {2,}(\S.*)$", demo.said(), re.M)
    commands = {label: command.replace("SID", session_id) for label, command in printed}
    assert commands.pop("in a browser") == f"{demo.url}/"
    assert "401" in demo.run(commands.pop("signed out"))
    _ = demo.run(commands.pop("sign in"))
    assert '"Ada Lovelace"' in demo.run(commands.pop("signed in"))

    assert "'enterprise'" in demo.run(commands.pop("change her plan"))
    ada.see('"enterprise"')
    _ = demo.flask("plan user_ada team")
    assert '"city": "{{user.public_metadata.address.city}}"' in demo.run(
        commands.pop("the template")
    )
    assert "Analytical Engines" in demo.run(commands.pop("what it gives"))
    assert session_id in demo.run(commands.pop("her sessions"))
    assert "signed in" in demo.run(commands.pop("what one did"))
    token = demo.run(commands.pop("a token")).strip()
    answer = ask(f"{demo.url}/profile", {"Authorization": f"Bearer {token}"})
    assert answer.json()["fullName"] == "Ada Lovelace"
    assert "ES256" in demo.run(commands.pop("the signing keys"))
    _ = demo.run(commands.pop("sign one out"))
    ada.see("This session was ended from another place.")
    assert not commands


def test_a_restart_signs_nobody_out_and_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "instance"
    environment = {"PORT": str(port), "DEMO_FOLDER": str(folder)}
    with browser() as session:
        ada = Person(session, f"http://127.0.0.1:{port}")
        with serving([DEMO], environment, port, tmp_path / "first.txt"):
            _ = ada.sign_in("ada")
        with serving([DEMO], environment, port, tmp_path / "second.txt"):
            assert "Hello, Ada" in ada.look()
    assert (folder / "session_claims.key").stat().st_mode & 0o077 == 0
