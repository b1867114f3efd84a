"""The HTTP API for programs without supabase-js; openapi.json describes it. It has no privileges of its own: each
endpoint sends the caller's access token to PostgREST."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from worker.web.api import conversation, event_stream, exports, http_answer, requests
from worker.web.api.accounts import Accounts
from worker.web.api.conversation import TurnRow
from worker.web.api.problems import Problem, not_found, respond, too_many_of_yours
from worker.web.api.project import Caller, Project
from worker.web.api.waiting import Shares, Slots, poll

LARGEST_BODY = 64 * 1024  # bytes
OPENAPI = json.loads((Path(__file__).parent / "openapi.json").read_text())


def create_api(
    supabase_url: str, publishable_key: str, threads: int, wait_seconds: float, stopping: threading.Event
) -> Blueprint:
    """The endpoints under `/api`.

    `threads`: of the server, more than 8. `wait_seconds`: the longest wait of a request for its answer. After
    `stopping` is set, no request waits: those that do are answered as if their time were over.

    Endpoints raise Problem, which becomes a response of `application/problem+json`.
    """
    api = Blueprint("api", __name__, url_prefix="/api")
    project = Project(supabase_url, publishable_key, connections=threads)
    waiting_slots, asking_slots = Slots.for_waiting(threads), Slots.for_asking(threads)
    shares, shares_of_asking, pdfs = Shares.of_waiting(threads), Shares.of_asking(threads), Shares(1)
    accounts = Accounts()

    @api.before_request
    def leave_threads_to_others() -> None:
        """So that one account, or the API as a whole, cannot occupy all threads of the server."""
        g.held = held = ExitStack()
        if request.path == f"{api.url_prefix}/openapi.json":
            return
        if token := requests.sound_token(request):  # without one, the endpoint refuses it without calling the project
            if not shares_of_asking.take(account := accounts.of(token)):
                raise too_many_of_yours()
            held.callback(shares_of_asking.give_back, account)
        asking_slots.take()
        held.callback(asking_slots.give_back)

    @api.after_request
    def finish(response: Response) -> Response:
        if response.status_code < 300 and (token := requests.sound_token(request)):
            accounts.accept(token)
        response.call_on_close(g.held.close)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def poll_turn(asked: Caller, question: TurnRow, seconds: float) -> Iterator[TurnRow]:
        is_gone = request.environ.get("waitress.client_disconnected", lambda: False)
        return poll(asked, question, seconds, is_gone, stopping)

    def caller() -> Caller:
        return project.as_caller(requests.token(request))

    @api.errorhandler(Problem)
    def refuse(problem: Problem) -> Response:
        return respond(problem)

    @api.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        return jsonify(OPENAPI)

    @api.post("/chat/sessions/")
    def open_session() -> ResponseReturnValue:
        analysis = requests.identifier(requests.fields(request, "post_analysis_id"), "post_analysis_id")
        asked = caller()
        try:
            row = asked.call("open_chat_session", post_analysis_id=analysis)
        except Problem as problem:
            if problem.status != 404:
                raise
            raise Problem(400, "analysis_unknown", "There is no such post analysis.") from None
        return jsonify(_session(asked, row))

    @api.get("/chat/sessions/")
    def list_sessions() -> ResponseReturnValue:
        query = {}
        if (analysis := requests.parameters(request, "post_analysis_id").get("post_analysis_id")) is not None:
            query["post_analysis_id"] = f"eq.{requests.identifier(analysis, 'post_analysis_id')}"
        return jsonify(sessions=conversation.summaries(caller(), query))

    @api.get("/chat/sessions/<uuid:session_id>/")
    def get_session(session_id: object) -> ResponseReturnValue:
        asked = caller()
        requests.parameters(request)
        return jsonify(_session(asked, conversation.session(asked, str(session_id))))

    @api.get("/chat/sessions/<uuid:session_id>/messages/")
    def get_messages(session_id: object) -> ResponseReturnValue:
        asked, page = caller(), requests.page(request)
        rows, earlier = conversation.turns(asked, str(session_id), page)
        if not rows:
            conversation.session(
                asked, str(session_id)
            )  # raises Problem 404 if the chat is missing; an empty one is fine
        return jsonify(session_id=str(session_id), messages=conversation.messages(rows), earlier=earlier)

    @api.get("/chat/sessions/<uuid:session_id>/export")
    def export_session(session_id: object) -> ResponseReturnValue:
        format = requests.parameters(request, "format").get("format", "txt")
        return exports.download(caller(), str(session_id), format, pdfs)

    @api.post("/chat/sessions/<uuid:session_id>/messages/")
    def send_message(session_id: object) -> ResponseReturnValue:
        asked = caller()
        text, message_id = requests.message(request), requests.message_id(request)
        seconds = requests.longest_wait(request, wait_seconds)
        wants_events = request.accept_mimetypes.best == "text/event-stream"
        if not seconds and not wants_events:
            question = _store(asked, str(session_id), message_id, text)
            return _answer(poll_turn(asked, question, 0.0), 0.0)
        waiting_slots.take()
        with ExitStack() as held:
            held.callback(waiting_slots.give_back)
            question = _store(asked, str(session_id), message_id, text)
            user_id = str(question["user_id"])  # verified: the project has stored the row under this token
            if shares.take(user_id):
                held.callback(shares.give_back, user_id)
            else:
                seconds = 0.0
            if wants_events:
                stream = event_stream.stream(poll_turn(asked, question, seconds))
                response = Response(stream, mimetype="text/event-stream")
            else:
                response = _answer(poll_turn(asked, question, seconds), seconds)
            # The server calls this even if it has not sent any event.
            response.call_on_close(held.pop_all().close)
        return response

    return api


def _session(caller: Caller, row: dict[str, object]) -> dict[str, object]:
    turns, _ = conversation.turns(caller, str(row["id"]), requests.Page(100, None))
    return {
        "session_id": row["id"],
        "post_analysis_id": row["post_analysis_id"],
        "status": row["status"],
        "messages": conversation.messages(turns),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _store(caller: Caller, session_id: str, message_id: str, text: str) -> TurnRow:
    """Store the question once: another request with the same id and text gets the stored row. Raises Problem."""
    row = {"id": message_id, "session_id": session_id, "role": "user", "content": text}
    try:
        inserted = caller.insert_once("chat_messages", row)
    except Problem as problem:
        # Row-level security does not distinguish a missing session from another user's.
        raise (not_found() if problem.status == 403 else problem) from None
    if inserted:
        return cast(TurnRow, inserted[0])
    stored = conversation.turn(caller, message_id)
    if stored is None or stored["session_id"] != session_id or stored["content"] != text:
        raise Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another message, or for one that is deleted.",
        )
    return stored


def _answer(polled: Iterator[TurnRow], seconds: float) -> Response:
    *_, last = polled  # waits until the polling ends
    status, body = http_answer.of(last)
    response = jsonify(body)
    response.status_code = status
    if status == 202:
        response.headers["Preference-Applied"] = "respond-async" if not seconds else f"wait={seconds:g}"
    return response
