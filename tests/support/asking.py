"""A question asked with supabase-py."""

from uuid import UUID, uuid4

import supabase

from tests.support.people import Chat


async def ask(client: supabase.AsyncClient, chat: Chat, content: str) -> UUID:
    """As a browser does it: a plain insert, with an id of the client's own."""
    question = uuid4()
    row = {"id": str(question), "session_id": str(chat.session), "role": "user", "content": content}
    await client.table("chat_messages").insert(row).execute()
    return question
