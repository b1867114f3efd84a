"""Each role's client of the REST API, and how the API answered it in one word."""

import httpx

from tests.support.people import Chat, People

ROLES = ("anon", "owner", "other", "service")


def client_of(people: People, role: str, chat: Chat) -> httpx.Client:
    match role:
        case "anon":
            return people.anon()
        case "owner":
            return people.signed_in(chat.user)
        case "other":
            return people.signed_in(people.make_user())
        case _:
            return people.service()


def outcome(response: httpx.Response, role: str) -> str:
    if response.status_code in (401, 403):
        assert response.json()["code"] == "42501", response.text
        assert response.status_code == (401 if role == "anon" else 403)
        return "no"
    if response.is_error:
        assert response.status_code != 500 or response.json()["code"] == "55000", response.text
        return str(response.status_code)
    return "none" if response.json() == [] else "yes"
