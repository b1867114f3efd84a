"""What the database's API has been seen to answer."""

import json

HTML = "<html>sentinel</html>"


def body(code: object) -> str:
    return json.dumps({"code": code, "message": "sentinel", "details": None, "hint": None})


# Status and body as they come over HTTP, and what they mean: away, or refused with this code.
AWAY = "away"

ANSWERS = [
    # SQLSTATEs that pass by themselves, whatever the status
    (503, body("08006"), AWAY),
    (500, body("40P01"), AWAY),
    (500, body("40001"), AWAY),
    (503, body("53300"), AWAY),
    (500, body("55P03"), AWAY),
    (500, body("57014"), AWAY),
    (500, body("57P01"), AWAY),
    (405, body("25006"), AWAY),
    # … and those that do not: a 500 is a defect of a function as well
    (500, body("22P05"), "22P05"),
    (400, body("22003"), "22003"),
    (409, body("23505"), "23505"),
    (400, body("23514"), "23514"),
    (404, body("42883"), "42883"),
    (403, body("42501"), "42501"),
    (400, body("P0001"), "P0001"),
    (500, body("XX000"), "XX000"),
    (500, body("54001"), "54001"),
    (409, body("PT409"), "PT409"),
    # PostgREST's own: its database, schema cache and pool; keys and clocks; itself
    (503, body("PGRST000"), AWAY),
    (503, body("PGRST001"), AWAY),
    (503, body("PGRST002"), AWAY),
    (504, body("PGRST003"), AWAY),
    (401, body("PGRST301"), AWAY),
    (401, body("PGRST302"), AWAY),
    (401, body("PGRST303"), AWAY),
    (500, body("PGRSTX00"), AWAY),
    # … and what is asked for wrongly
    (400, body("PGRST102"), "PGRST102"),
    (404, body("PGRST202"), "PGRST202"),
    (400, body("PGRST204"), "PGRST204"),
    (406, body("PGRST116"), "PGRST116"),
    # Gateways, which have pages of their own, or JSON of another shape
    (429, HTML, AWAY),
    (429, body(429), AWAY),
    (502, HTML, AWAY),
    (503, HTML, AWAY),
    (504, HTML, AWAY),
    (500, body(500), AWAY),
    (500, "", AWAY),
    (520, HTML, AWAY),
    (408, HTML, AWAY),
    (401, json.dumps({"message": "Unregistered API key"}), AWAY),
    (403, HTML, AWAY),
    (302, HTML, AWAY),
    (200, HTML, AWAY),
    (413, HTML, "413"),
    (413, json.dumps({"message": "Request body too large"}), "413"),
    (404, HTML, ""),
    (400, body(400), ""),
]
