"""One row of each table."""

from uuid import uuid4

from tests.support.database import Connection
from tests.support.people import People


class Row:
    """One row of each table, all about the same chat, with what to insert and to update beside it."""

    def __init__(self, people: People, database: Connection, table: str) -> None:
        self.chat = people.make_chat()
        self.message = people.ask(self.chat)
        session, user, message = str(self.chat.session), str(self.chat.user.id), str(self.message)
        values = [self.message, self.chat.session, self.chat.user.id]
        database.execute(
            """insert into private.draft_pieces (message_id, attempt, version, starts_at, content)
            values (%s, 0, 1, 0, 'Beca')""",
            [self.message],
        )
        database.execute(
            """insert into public.external_api_call_logs
              (message_id, session_id, user_id, attempt, worker_id, outcome)
            values (%s, %s, %s, 1, gen_random_uuid(), 'timed_out')""",
            values,
        )
        newcomer = people.make_user().id
        database.execute("insert into public.user_plans (user_id, plan) values (%s, 'pro')", [user])
        post, analysis = people.make_analysis(self.chat.user)
        whose = {"session_id": session, "user_id": user}
        key = {
            "plans": ("name", "free"),
            "chat_settings": ("id", "true"),
            "user_plans": ("user_id", user),
            "posts": ("id", self.chat.post),
            "post_analyses": ("id", self.chat.analysis),
            "chat_sessions": ("id", self.chat.session),
            "chat_messages": ("id", self.message),
            "chat_session_summaries": ("id", self.chat.session),
            "current_chat_messages": ("id", self.message),
        }
        column, value = key.get(table, ("message_id", self.message))
        self.filter = {} if table == "chat_service" else {column: f"eq.{value}"}
        self.new = {
            "plans": {"name": "mine"},
            "chat_settings": {"id": True},
            "user_plans": {"user_id": str(newcomer), "plan": "pro"},
            "posts": {"user_id": user, "platform": "tiktok", "url": "https://example.test/p/2"},
            "post_analyses": {"user_id": user, "post_id": str(post)},
            "chat_sessions": {"user_id": user, "post_analysis_id": str(analysis)},
            "chat_messages": {"session_id": session, "role": "user", "content": "And then?"},
            "chat_replies": {"message_id": message, **whose},
            "chat_reply_drafts": {"message_id": message, "attempt": 2, "content": "No", **whose},
            "external_api_call_logs": {
                "message_id": message,
                "attempt": 2,
                "worker_id": str(uuid4()),
                **whose,
            },
            "chat_session_summaries": {"user_id": user, "post_analysis_id": str(analysis)},
            "current_chat_messages": {"session_id": session, "role": "user", "content": "And then?"},
            "chat_service": {"answering": True},
        }[table]
        self.change = {
            "plans": {"questions_per_day": None},
            "chat_settings": {"paused": False},
            "user_plans": {"plan": "free"},
            "posts": {"caption": "Four eggs"},
            "post_analyses": {"viral_status": "none"},
            "chat_sessions": {"status": "archived"},
            "chat_messages": {"content": "I never said that"},
            "chat_replies": {"status": "failed"},
            "chat_reply_drafts": {"content": "No"},
            "external_api_call_logs": {"cost_usd": 0},
            "chat_session_summaries": {"status": "archived"},
            "current_chat_messages": {"content": "I never said that"},
            "chat_service": {"answering": False},
        }[table]
