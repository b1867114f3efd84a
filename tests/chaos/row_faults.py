"""Rows that raise, rows that are locked, rows that go: by the database, by an operator's hand, by their owner."""

import time
from uuid import uuid4

import httpx
import psycopg

from tests.chaos.scene import Scene
from tests.support.people import Chat

ANSWER_SECONDS = 20.0  # on a busy machine, with some of the workers just coming back
OTHERS_SECONDS = 12.0
HELD_SECONDS = 10.0
SNAPSHOT_SECONDS = (4.0, 10.0)
LONG_SECONDS = 8.0
# The one cannot be taken by a worker, the other cannot be changed in any way.
POISON = """
create function public.poison_for_chaos() returns trigger language plpgsql as
$$ begin raise 'The database raises for this row.'; end $$;
create trigger a_poison_for_chaos before update on public.chat_replies for each row
  when (old.message_id = '{unanswerable}' and new.status = 'answering' or old.message_id = '{untouchable}')
  execute function public.poison_for_chaos();
"""
ANTIDOTE = """
drop trigger a_poison_for_chaos on public.chat_replies;
drop function public.poison_for_chaos();
"""
PUT_OFF = "select from private.reply_queue where message_id = %s and due_at > now() + interval '1 min'"


def poison_rows(scene: Scene) -> None:
    """The database raises an error for two questions, and others are answered: one fails, one is set aside."""
    unanswerable, untouchable = scene.open_chat(), scene.open_chat()
    poisoned = {"unanswerable": str(uuid4()), "untouchable": str(uuid4())}
    _as_superuser(scene, POISON.format(**poisoned))
    try:
        scene.ask(unanswerable, question=poisoned["unanswerable"])
        scene.ask(untouchable, question=poisoned["untouchable"])
        scene.asked.poisoned.add(poisoned["unanswerable"])
        scene.asked.set_aside += 1
        _others_are_answered(scene, "behind a row that raises")
        scene.expect(
            lambda: scene.status(poisoned["unanswerable"]) == "failed", ANSWER_SECONDS, "What raises has not failed"
        )
        scene.expect(
            lambda: scene.row(PUT_OFF, poisoned["untouchable"]) is not None,
            ANSWER_SECONDS,
            "What raises whatever is tried is not set aside",
        )
    finally:
        _as_superuser(scene, ANTIDOTE)
    # As an operator does who has found what raised.
    scene.execute("update private.reply_queue set due_at = now() where message_id = %s", poisoned["untouchable"])


def hold_snapshot(scene: Scene) -> None:
    """A transaction that reads and does not end: nothing that is deleted meanwhile can be cleaned up."""
    with scene.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("select count(*) from private.reply_queue")
        scene.rest(scene.random.uniform(*SNAPSHOT_SECONDS))
        _others_are_answered(scene, "under an open snapshot")


def delete_chats(scene: Scene) -> None:
    """An owner deletes two chats, by the API. In the first, one answer is being streamed, and one question waits
    behind it; the second goes in the moment in which its question is claimed."""
    chat = scene.open_chat()
    scene.asked.deleted |= {_in_flight(scene, chat), scene.ask(chat)}
    _delete(scene, chat)
    chat = scene.open_chat()
    question = scene.ask(chat, seconds=LONG_SECONDS)
    scene.asked.deleted.add(question)
    scene.asked.touched.add(question)
    scene.wait(lambda: scene.status(question) == "answering", ANSWER_SECONDS)
    _delete(scene, chat)


def _delete(scene: Scene, chat: Chat) -> None:
    scene.asked.gone.add(str(chat.session))
    with scene.people() as people:
        client = people.signed_in(chat.user)
        scene.expect(lambda: _is_deleted(client, chat), ANSWER_SECONDS, "A chat could not be deleted by its owner")


def _is_deleted(client: httpx.Client, chat: Chat) -> bool:
    """A connection that the API has closed meanwhile is not sent again by itself: the owner's page would."""
    try:
        return client.delete("/chat_sessions", params={"id": f"eq.{chat.session}"}).is_success
    except httpx.TransportError:
        return False


def work_by_hand(scene: Scene) -> None:
    """An operator in the dashboard: holds a row of the queue, ends and resets replies, deletes a question in flight,
    and breaks the queue, which is mended."""
    held = scene.ask(seconds=LONG_SECONDS)
    scene.wait(lambda: scene.is_being_asked(held), ANSWER_SECONDS)
    with scene.connect() as connection:
        connection.execute("select from private.reply_queue where message_id = %s for update", [held])
        until = time.monotonic() + HELD_SECONDS
        _fail_and_ask_again(scene)
        _reset(scene)
        _delete_question(scene)
        _break_queue(scene)
        _others_are_answered(scene, "beside a locked row")
        scene.rest(until - time.monotonic())


def _fail_and_ask_again(scene: Scene) -> None:
    question = _in_flight(scene)
    _by_hand(scene, "update public.chat_replies set status = 'failed' where message_id = %s", question)
    _by_hand(scene, "update public.chat_replies set status = 'pending' where message_id = %s", question)


def _reset(scene: Scene) -> None:
    """To pending, while a worker answers."""
    _by_hand(scene, "update public.chat_replies set status = 'pending' where message_id = %s", _in_flight(scene))


def _delete_question(scene: Scene) -> None:
    """The one behind it is answered."""
    chat = scene.open_chat()
    question = _in_flight(scene, chat)
    scene.ask(chat)
    scene.asked.deleted.add(question)
    _by_hand(scene, "delete from public.chat_messages where id = %s", question)


def _break_queue(scene: Scene) -> None:
    """A question loses its place: no worker looks for it, and the reconciler finds it."""
    chat, question = scene.open_chat(), str(uuid4())
    with scene.connect() as connection:
        connection.execute(
            "insert into public.chat_messages (id, session_id, content) values (%s, %s, %s)",
            [question, chat.session, f"Why did it work? {question}"],
        )
        connection.execute("delete from private.reply_queue where message_id = %s", [question])
    scene.note(str(chat.session), question)
    scene.asked.planted += 1


def _in_flight(scene: Scene, chat: Chat | None = None) -> str:
    """A question that is being answered at length, and whose claim is about to be ended by hand."""
    question = scene.ask(chat, seconds=LONG_SECONDS)
    scene.asked.touched.add(question)
    scene.expect(lambda: scene.is_being_asked(question), ANSWER_SECONDS, f"{question}: nobody answers it")
    return question


def _by_hand(scene: Scene, statement: str, question: str) -> None:
    """Again, like a person who is told that something else is happening in this chat at this moment."""

    def is_done() -> bool:
        try:
            return scene.execute(statement, question) == 1
        except psycopg.Error as error:
            if error.sqlstate not in ("PT429", "PT409"):
                raise
            return error.sqlstate == "PT409"  # it was over already

    scene.expect(is_done, ANSWER_SECONDS, f"{question}: refused by hand")


def _others_are_answered(scene: Scene, where: str) -> None:
    question = scene.ask()
    scene.expect(lambda: scene.is_over(question), OTHERS_SECONDS, f"{question}: not answered {where}")


def _as_superuser(scene: Scene, script: str) -> None:
    with scene.connect(as_superuser=True) as connection:
        connection.execute(script)
