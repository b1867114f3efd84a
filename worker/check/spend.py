"""Whether questions are accepted at present, and what may be spent. Pure: facts in, findings out."""

from worker.check.findings import Finding
from worker.check.installation import Facts
from worker.upkeep.spend_cap import Spend

NO_CAP = "There is no spend cap: nothing limits what the models may cost."
SET_ONE = "Set chat_settings.spend_cap_usd_per_day or spend_cap_usd_per_month in the dashboard."


def judge(facts: Facts) -> list[Finding]:
    """`facts`: the JSON of check_installation; an older version has no `spend`."""
    if "spend" not in facts:
        return []
    spend = Spend.from_row(facts["spend"])
    if words := spend.refusal:
        return [Finding("warning", "spend", words)]
    caps = [
        f"{spent:.2f} of {cap:.2f} USD {span}"
        for span, spent, cap in (
            ("today", spend.usd_today, spend.cap_usd_per_day),
            ("this month", spend.usd_this_month, spend.cap_usd_per_month),
        )
        if cap is not None
    ]
    if not caps:
        return [Finding("ok", "spend", NO_CAP, SET_ONE)]
    return [Finding("ok", "spend", f"Spent: {', '.join(caps)}.")]
