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
        'posts', 'post_analyses', 'chat_sessions', 'chat_messages', 'chat_replies', 'chat_reply_drafts',
        'external_api_call_logs', 'chat_session_summaries', 'current_chat_messages'))
      or (n.nspname = 'private' and c.relname = 'reply_queue')
      or (n.nspname = 'analytics' and c.relname in (
        'calls', 'messages_per_session', 'session_duration', 'session_averages', 'tokens_per_message', 'daily_use',
        'cost_by_day', 'cost_by_model', 'cost_by_user', 'latency_percentiles', 'failure_causes', 'retries'))
    union
    select format('%s.%s()', n.nspname, p.proname)
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where (n.nspname = 'public' and p.proname in (
        'claim_replies', 'renew_leases', 'save_drafts', 'next_attempt', 'complete_reply', 'fail_reply',
        'release_replies', 'open_chat_session', 'retry_reply', 'cancel_reply', 'regenerate_reply', 'ops_report',
        'ops_queue', 'check_installation'))
      or (n.nspname = 'private' and p.proname in (
        'broadcast_message', 'broadcast_reply', 'broadcast_session', 'cancel_reply', 'claim_replies', 'close_call',
        'complete_reply', 'enqueue_next_reply', 'fail_reply', 'follow_reply_status', 'guard_reply_status',
        'insert_answer', 'is_error_code', 'lease_reply', 'leave_queue', 'lock_claim', 'lock_own_reply',
        'lose_call', 'max_tries', 'next_attempt', 'open_call', 'open_reply', 'order_answer', 'order_message',
        'order_question', 'refuse_flood', 'regenerate_reply', 'release_replies', 'renew_leases', 'replace_question',
        'reply_context', 'retry_reply', 'save_drafts', 'send_wake_up', 'settle_cancelled', 'settle_due_reply',
        'stop_reply', 'ops_queue', 'ops_period', 'ops_days', 'ops_report', 'applied_migrations',
        'facts_of_relation', 'facts_of_function', 'check_installation'))
  ) as found;

  if taken is not null then
    raise exception 'PostBro Chat was not installed: this database already has %.', taken
      using hint = 'Rename what is yours, or use another project. Nothing was changed.';
  end if;
end
$$;

-- What the API may not see. Nobody is granted usage: the functions in public that lead here are stored with
-- their references resolved (begin atomic), so a caller needs the right to execute, and no look into the schema.
create schema if not exists private;
