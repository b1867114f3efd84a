"""The objects that the migrations create, by name. A test compares this list with a fresh database."""

from dataclasses import dataclass, field

Policies = dict[str, str]
"""Name → kind, operation and roles."""
Rights = dict[str, set[str]]
"""Role → its privileges, written as in a grant: {"authenticated": {"select", "update (status)"}}."""


@dataclass(frozen=True)
class Relation:
    rights: Rights = field(default_factory=dict)
    """Those of its owner are not listed."""
    policies: Policies = field(default_factory=dict)
    triggers: tuple[str, ...] = ()
    published: bool = False
    """Whether Realtime publishes its row changes."""
    view: bool = False


_USERS_READ: Rights = {"authenticated": {"select"}}
_THE_HOST_WRITES: Rights = {**_USERS_READ, "service_role": {"select", "insert", "update", "delete"}}
_ALL_READ: Rights = {**_USERS_READ, "service_role": {"select"}}
_ASK = {"select", *(f"insert ({column})" for column in ("id", "session_id", "role", "content", "replaces"))}
_ANALYTICS = (
    *("calls", "recent_sessions", "messages_per_session", "session_duration", "session_averages"),
    *("tokens_per_message", "daily_use", "cost_by_day", "cost_by_model", "cost_by_user", "latency_percentiles"),
    *("failure_causes", "retries"),
)

RELATIONS = {
    "public.posts": Relation(_THE_HOST_WRITES, {"Owners read their posts": "permissive select to authenticated"}),
    "public.post_analyses": Relation(
        _THE_HOST_WRITES, {"Owners read the analyses of their posts": "permissive select to authenticated"}
    ),
    "public.plans": Relation(
        _ALL_READ,
        {"Everybody signed in reads the plans": "permissive select to authenticated, whatever the row"},
    ),
    "public.chat_settings": Relation({"service_role": {"select"}}),
    "public.user_plans": Relation(
        _THE_HOST_WRITES,
        {"Users read their own plan": "permissive select to authenticated"},
        ("check_time_zone",),
    ),
    "public.chat_sessions": Relation(
        {
            "authenticated": {
                *("select", "delete", "update (status)"),
                *("insert (user_id)", "insert (post_analysis_id)"),
            },
            "service_role": {"select"},
        },
        {
            "Owners read their chat sessions": "permissive select to authenticated",
            "Users open chat sessions on their own analyses": "permissive insert to authenticated",
            "Owners archive and reopen their chat sessions": "permissive update to authenticated",
            "Owners delete their chat sessions": "permissive delete to authenticated",
        },
        (
            "enter_command",
            "limit_chats",
            "limit_changes_of_chats",
            "refuse_used_id",
            "use_up_id",
            "leave_queue",
            "broadcast_session",
            "broadcast_deleted_session",
            "note_erased_session",
        ),
    ),
    "public.chat_messages": Relation(
        {"authenticated": _ASK, "service_role": _ASK},
        {
            "Owners read the messages of their chat sessions": "permissive select to authenticated",
            "Owners ask in their chat sessions": "permissive insert to authenticated",
        },
        (
            "enter_command",
            "order_message",
            "refuse_used_id",
            "open_reply",
            "broadcast_message",
            "leave_session",
            "use_up_id",
            "note_erased_messages",
        ),
        published=True,
    ),
    "public.chat_replies": Relation(
        _ALL_READ,
        {"Owners see the state of their replies": "permissive select to authenticated"},
        (
            "refuse_flood",
            "refuse_flood_of_retries",
            "refuse_over_quota",
            "refuse_over_quota_of_retries",
            "refuse_beyond_spend",
            "refuse_beyond_spend_again",
            "guard_claim",
            "guard_reply_status",
            "follow_opened_reply",
            "follow_reply_status",
            "follow_deleted_reply",
            "count_opened_reply",
            "count_reply",
            "broadcast_opened_reply",
            "broadcast_reply",
        ),
        published=True,
    ),
    "public.external_api_call_logs": Relation(
        {"service_role": {"select"}}, triggers=("count_call", "count_changed_call", "debit_call")
    ),
    "public.chat_reply_drafts": Relation(_USERS_READ, view=True),
    "public.chat_service": Relation(_USERS_READ, view=True),
    "public.chat_session_summaries": Relation(_USERS_READ, view=True),
    "public.current_chat_messages": Relation(_ALL_READ, view=True),
    "private.reply_queue": Relation(triggers=("send_wake_up", "send_wake_up_again", "make_next_due")),
    "private.workers": Relation(),
    "private.draft_pieces": Relation(),
    "private.used_ids": Relation(),
    "private.erasures": Relation(),
    "private.served_places": Relation(),
    "private.reconciler": Relation(),
    "private.spend": Relation(),
    "private.refusals": Relation(),
    "private.uncounted_calls": Relation(),
    "private.uncounted_replies": Relation(),
    "private.call_counts": Relation(),
    "private.reply_counts": Relation(),
    "private.user_day_counts": Relation(),
    "private.usage_asked": Relation(),
    "private.usage_spent": Relation(),
    "private.calls_by_span": Relation(view=True),
    "private.latencies_by_span": Relation(view=True),
    "private.replies_by_span": Relation(view=True),
    "private.use_by_user_and_day": Relation(view=True),
    **{f"analytics.{name}": Relation(view=True) for name in _ANALYTICS},
}

# Its policies decide who may receive and send on a channel. The table is the project's, only the policies are ours.
CHANNELS = "realtime.messages"
CHANNEL_POLICIES = {
    "Owners hear their chat sessions": "permissive select to authenticated",
    "Nobody else hears chat sessions or the worker": "restrictive select to public",
    "Only the database and the worker speak in chat sessions": "restrictive insert to public",
    "Nobody changes what was said in chat sessions": "restrictive update to public",
}

_FOR_THE_WORKER = (
    "register_worker",
    "claim_replies",
    "beat",
    "give_back",
    "save_drafts",
    "next_attempt",
    "complete_reply",
    "fail_reply",
    "release_replies",
    "reconcile_replies",
    "measure_spend",
    "erase_broadcasts",
    "ops_report",
    "ops_queue",
    "check_installation",
)
_FOR_USERS = ("retry_reply", "cancel_reply", "regenerate_reply", "chat_usage")
# Function → the one role that may execute it. Functions of `public` call those of `private`.
FUNCTIONS = {
    "public.open_chat_session": "authenticated",
    # Called by the policies on channels, which apply to every role.
    "private.is_own_channel": "public",
    # Called by the views for users; the last one embeds the drafts in a reply.
    "private.own_drafts": "authenticated",
    "private.chat_service": "authenticated",
    "public.chat_reply_drafts": "authenticated",
    **{f"{schema}.{name}": "service_role" for schema in ("public", "private") for name in _FOR_THE_WORKER},
    **{f"{schema}.{name}": "authenticated" for schema in ("public", "private") for name in _FOR_USERS},
}
