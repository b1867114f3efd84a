-- PostBro Chat is a guest in somebody's database: it refuses to start where one of its names is taken,
-- and none of its files changes anything that it did not create (no default privileges, no schema rights).

do $$
declare
  taken text;
begin
  select string_agg(found.name, ', ' order by found.name) into taken
  from (
    select format('%s.%s', n.nspname, c.relname) as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where (n.nspname = 'public' and c.relname in (
        'chat_messages', 'chat_replies', 'chat_reply_drafts', 'chat_service', 'chat_session_summaries',
        'chat_sessions', 'chat_settings', 'current_chat_messages', 'external_api_call_logs', 'plans', 'post_analyses',
        'posts', 'user_plans'))
      or (n.nspname = 'private' and c.relname in (
        'call_counts', 'calls_by_span', 'draft_pieces', 'erasures', 'latencies_by_span', 'reconciler', 'refusals',
        'replies_by_span', 'reply_counts', 'reply_queue', 'served_places', 'spend', 'uncounted_calls',
        'uncounted_replies', 'usage_asked', 'usage_spent', 'use_by_user_and_day', 'used_ids', 'user_day_counts',
        'workers'))
      or (n.nspname = 'analytics' and c.relname in (
        'calls', 'cost_by_day', 'cost_by_model', 'cost_by_user', 'daily_use', 'failure_causes', 'latency_percentiles',
        'messages_per_session', 'recent_sessions', 'retries', 'session_averages', 'session_duration',
        'tokens_per_message'))
    union
    select format('%s.%s()', n.nspname, p.proname)
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where (n.nspname = 'public' and p.proname in (
        'beat', 'cancel_reply', 'chat_reply_drafts', 'chat_usage', 'check_installation', 'claim_replies',
        'complete_reply', 'erase_broadcasts', 'fail_reply', 'give_back', 'measure_spend', 'next_attempt',
        'open_chat_session', 'ops_queue', 'ops_report', 'reconcile_replies', 'regenerate_reply', 'register_worker',
        'release_replies', 'retry_reply', 'save_drafts'))
      or (n.nspname = 'private' and p.proname in (
        'add_counts', 'add_up_spend', 'applied_migrations', 'beat', 'broadcast_message', 'broadcast_reply',
        'broadcast_session', 'bury_workers', 'caller_is_a_user', 'cancel_reply', 'chat_service', 'chat_usage',
        'check_installation', 'check_time_zone', 'claim_replies', 'close_call', 'complete_reply', 'contradictions',
        'cost_is_unknown', 'cost_of_unknown_call', 'count_call', 'count_entries', 'count_reply', 'count_set_aside',
        'count_up', 'count_up_calls', 'count_up_replies', 'count_use', 'counts_by_bucket', 'debit_call', 'draft_text',
        'duration_bucket', 'end_of_day', 'end_what_is_too_old', 'enqueue_next_reply', 'enter_command',
        'enter_command_of_statement', 'erase_broadcasts', 'facts_of_broadcasts', 'facts_of_function',
        'facts_of_relation', 'fail_reply', 'first_entries', 'follow_deleted_reply', 'follow_reply_status',
        'free_claim', 'give_back', 'guard_claim', 'guard_reply_status', 'insert_answer', 'is_counted',
        'is_error_code', 'is_own_channel', 'is_passing', 'is_sent_again', 'leave_queue', 'leave_session',
        'limit_chats', 'limits_of_asking', 'limits_of_chats', 'living_workers', 'lock_claim', 'lock_own_reply',
        'lock_reply_at_once', 'lock_session', 'lock_session_at_once', 'lock_user', 'lose_call', 'make_next_due',
        'max_calls', 'max_deaths', 'max_versions', 'measure_spend', 'mend', 'name_models', 'next_attempt',
        'next_due_in_ms', 'next_place', 'note_call', 'note_erased_messages', 'note_erased_session', 'note_place',
        'oldest_hour', 'open_call', 'open_reply', 'open_views', 'ops_days', 'ops_models', 'ops_period', 'ops_queue',
        'ops_report', 'ops_spend', 'ops_workers', 'order_answer', 'order_message', 'order_question', 'own_drafts',
        'percentiles', 'plan_of', 'project_refusal', 'put_off', 'put_off_seconds', 'reconcile_replies', 'refusals_of',
        'refuse_beyond_spend', 'refuse_busy', 'refuse_flood', 'refuse_over_quota', 'refuse_project_paused',
        'refuse_questions', 'refuse_quota', 'refuse_used_id', 'regenerate_reply', 'register_worker',
        'release_replies', 'replace_question', 'reply_context', 'retry_number', 'retry_reply', 'rights_on_relation',
        'rights_on_schemas', 'role_name', 'roles_of_users', 'room_for_reply', 'save_drafts', 'send_wake_up',
        'set_aside', 'settle_cancelled', 'settle_stopped', 'settle_what_raises', 'spent_by', 'stop_reply',
        'take_reply', 'time_zone_of', 'tokens_debited', 'try_broadcast', 'try_to_free', 'usable_part', 'use_up_id',
        'was_settled'))
  ) as found;

  if taken is not null then
    raise exception 'PostBro Chat was not installed: this database already has %.', taken
      using hint = 'Rename what is yours, or use another project. Nothing was changed.';
  end if;
end
$$;

-- Asked here, where nothing is applied yet: our policies on Realtime's own table come twenty files later.
do $$
begin
  create policy "PostBro Chat asks whether it may" on realtime.messages for select to anon using (false);
  drop policy "PostBro Chat asks whether it may" on realtime.messages;
exception
  -- The remedy is part of the message: the CLI shows no hint.
  when insufficient_privilege then
    raise insufficient_privilege using message = format(
      'PostBro Chat was not installed: %1$s may not write policies on %2$s. Upgrade the project''s Postgres '
      '(Settings, Infrastructure) and push again; on a Supabase of your own let its superuser run: '
      'grant supabase_realtime_admin to %1$s; Nothing was changed.', current_user, 'realtime.messages');
  when undefined_table or invalid_schema_name then
    raise undefined_table using message = format(
      'PostBro Chat was not installed: this project has no %s. Switch Realtime on in its settings, and push again. '
      'Nothing was changed.', 'realtime.messages');
end
$$;

-- What the API may not see. Nobody is granted usage: the functions in public that lead here are stored with
-- their references resolved (begin atomic), so a caller needs the right to execute, and no look into the schema.
create schema if not exists private;
