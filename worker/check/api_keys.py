"""The two API keys: of which kind each is, by its own text, and whether they are swapped."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from worker.check.findings import Finding
from worker.credentials import claims_of

WHERE = "Copy it from the project's settings, API keys."


@dataclass(frozen=True)
class Kind:
    name: str
    """As a noun phrase for a sentence."""
    role: str
    """The role that the API maps it to; empty if the key does not contain it."""
    project: str = ""
    """The ref of its project; only legacy keys contain one."""

    @property
    def legacy(self) -> bool:
        return self.name.startswith("a legacy")


def kind(key: str) -> Kind:
    if key.startswith("sb_secret_"):
        return Kind("a secret key (sb_secret_…)", "service_role")
    if key.startswith("sb_publishable_"):
        return Kind("a publishable key (sb_publishable_…)", "anon")
    claims = claims_of(key)
    if claims is None:
        return Kind("no key of Supabase", "")
    role = str(claims.get("role", ""))
    return Kind(f"a legacy key (JWT) of the role {role or 'nobody'}", role, str(claims.get("ref", "")))


def judge(url: str, secret: str, publishable: str | None) -> list[Finding]:
    """`publishable` may be None: a worker does not need it."""
    of_secret = kind(secret)
    of_publishable = kind(publishable) if publishable else None
    if of_publishable and (of_secret.role, of_publishable.role) == ("anon", "service_role"):
        words = "SUPABASE_SECRET_KEY and SUPABASE_PUBLISHABLE_KEY are swapped: browsers would get the secret one."
        return [Finding("problem", "keys", words, "Exchange the two.")]
    found = [_secret(url, of_secret)]
    if of_publishable is None:
        found.append(Finding("ok", "keys", "SUPABASE_PUBLISHABLE_KEY is not set; only the chat page needs it."))
    else:
        found.append(_publishable(of_publishable))
    return found


def _secret(url: str, found: Kind) -> Finding:
    ref = (urlsplit(url).hostname or "").split(".")[0]
    if found.role != "service_role":
        words = f"SUPABASE_SECRET_KEY is {found.name}: the worker would be refused everything."
        return Finding("problem", "keys", words, f"It must begin with sb_secret_. {WHERE}")
    if found.project and url.endswith(".supabase.co") and found.project != ref:
        words = f"SUPABASE_SECRET_KEY is of the project {found.project}, SUPABASE_URL names {ref}."
        return Finding("problem", "keys", words, "Take both from one project.")
    if found.legacy:
        words = f"SUPABASE_SECRET_KEY is {found.name}: it works as long as the project allows legacy keys."
        return Finding("warning", "keys", words, f"Replace it by one that begins with sb_secret_. {WHERE}")
    return Finding("ok", "keys", f"SUPABASE_SECRET_KEY is {found.name}.")


def _publishable(found: Kind) -> Finding:
    if found.role == "service_role":
        words = f"SUPABASE_PUBLISHABLE_KEY is {found.name}: every browser would get it."
        return Finding("problem", "keys", words, f"It must begin with sb_publishable_. {WHERE}")
    if found.legacy and found.role == "anon":
        words = f"SUPABASE_PUBLISHABLE_KEY is {found.name}: it works as long as the project allows legacy keys."
        return Finding("warning", "keys", words, f"Replace it by one that begins with sb_publishable_. {WHERE}")
    if not found.name.startswith("a publishable"):
        words = f"SUPABASE_PUBLISHABLE_KEY is {found.name}: the chat page refuses to start with it."
        return Finding("problem", "keys", words, f"It must begin with sb_publishable_. {WHERE}")
    return Finding("ok", "keys", f"SUPABASE_PUBLISHABLE_KEY is {found.name}.")
