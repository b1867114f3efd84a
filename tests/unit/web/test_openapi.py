"""The OpenAPI document names every endpoint, and no other."""

import re

from worker.web.api import OPENAPI
from worker.web.app import create_page_app


def test_the_document_has_every_endpoint_and_method_and_no_other() -> None:
    app = create_page_app("https://abc.supabase.co", "sb_publishable_abc")
    served = {
        (re.sub(r"<uuid:(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith("/api/") and method not in ("HEAD", "OPTIONS")
    }
    documented = {(path, method.upper()) for path, operations in OPENAPI["paths"].items() for method in operations}
    assert served == documented


def test_it_is_handed_out_to_anybody() -> None:
    app = create_page_app("https://abc.supabase.co", "sb_publishable_abc")
    answer = app.test_client().get("/api/openapi.json")
    assert (answer.status_code, answer.json) == (200, OPENAPI)
