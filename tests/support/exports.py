"""Chats to export, and exports read back."""

import io
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from pypdf import PdfReader

from worker.web.export import read_transcript, render
from worker.web.export.transcript import Transcript

SESSION = "00000000-0000-4000-8000-000000000001"

SCRIPTS = {
    "Latin": "Crème brûlée, straße, Łódź",
    "Cyrillic": "Сколько лайков",
    "Greek": "Καλημέρα κόσμε",
    "Arabic": "مرحبا بالعالم",
    "Hebrew": "שלום עולם",
    "Devanagari": "नमस्ते दुनिया",
    "Thai": "สวัสดีชาวโลก",
    "Chinese": "你好世界",
    "Japanese": "こんにちは、世界",
    "Korean": "안녕하세요 세계",
    "emoji": "🥐 🎉 🚀",
}

ANSWER = """# A **heading**

Some *emphasis*, ~~gone~~, `inline("code")`, a [link](https://example.com/a), a [trap](javascript:alert(1)),
an [old one](ftp://example.com/b), a [near one](/c) and ![a tracking pixel](https://tracker.example/pixel.png).

1. first
2. second
   - nested

> quoted

```python
#panic("in code")
print("你好 🥐")
```

| figure | value |
|---|---:|
| likes | 48,210 |
| saves | 21,730 |

<script>alert("in an answer")</script>

#panic("in an answer") $x$ @cite <label> \\#set
"""

HARMFUL = '<script>alert("x")</script> #panic("x") #read("/etc/passwd") $1 / 0$ `] } \\ "'


def message(turn: int, question: str, answer: str | None = None, **reply: str) -> dict[str, Any]:
    at = f"2026-10-03T09:{turn % 60:02}:00.5+00:00"
    answered = {"content": answer, "version": 1, "finish_reason": "stop", "created_at": at}
    answers = [answered] if answer is not None else []
    state = {"status": "completed", "version": 1, "error_code": None, "question": {"answers": answers}, **reply}
    return {"turn": turn, "content": question, "created_at": at, "reply": state}


def session(**post: object) -> dict[str, Any]:
    return {
        "id": SESSION,
        "status": "active",
        "created_at": "2026-10-03T08:00:00+00:00",
        "post_analyses": {
            "quick_takeaways": ["The hook opens with a loss.", "People save the chart."],
            "viral_status": "Viral for this account.",
            "frameworks": [{"name": "Curiosity Stack", "explanation": "Three questions open."}],
            "key_insights": [],
            "creator_context": None,
            "posts": {
                "platform": "instagram",
                "url": "https://www.example.com/reel/1",
                "creator": "@lena.bakes",
                "caption": "I threw away 140 croissants 🥐",
                "posted_at": "2026-10-02T17:00:00+00:00",
                "metrics": {"likes": 48210, "engagement_rate": "13.2%"},
                **post,
            },
        },
    }


def exported(*messages: dict[str, Any], **post: object) -> Transcript:
    def ask(path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        if path == "chat_sessions":
            return [session(**post)]
        seen = int(params["turn"].removeprefix("gt."))
        return [row for row in messages if row["turn"] > seen][: int(params["limit"])]

    transcript = read_transcript(ask, SESSION)
    assert transcript is not None
    return transcript


def text_of(format: str, transcript: Transcript) -> str:
    return render(format, transcript)[0].decode()


def read(pdf: bytes) -> SimpleNamespace:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return SimpleNamespace(pages=pages, text=squeezed("\n".join(page.extract_text() for page in pages)))


def squeezed(text: str) -> str:
    """Without spaces: lines are broken anew, and long words at marks that nobody sees."""
    return re.sub(r"[\s\u200b\u200e\u200f]", "", text)
