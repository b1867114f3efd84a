-- What of their plan a user has used, for a page that says so before it is used up.

create function private.chat_usage() returns jsonb
language plpgsql stable security definer
set search_path = ''
as $$
declare
  caller constant uuid := (select auth.uid());
  plan constant public.plans := private.plan_of(caller);
begin
  return jsonb_build_object(
    'plan', plan.name,
    'limits', (
      select jsonb_agg(jsonb_build_object(
        'limit', l.name, 'most', l.most, 'used', l.used, 'held', l.held,
        'left', case when l.most is not null then greatest(l.most - l.used - l.held, 0) end,
        'resets_at', l.resets_at))
      from (
        select * from private.limits_of_asking(caller, plan)
        union all
        select * from private.limits_of_chats(caller, plan)
      ) as l));
end
$$;

create function public.chat_usage() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.chat_usage();
end;

comment on function private.chat_usage() is 'See public.chat_usage.';
comment on function public.chat_usage() is
  'For users. {"plan", "limits": [{"limit", "most": null is no limit, "used", "held": by unfinished replies, "left", "resets_at": null where time alone changes nothing}]}.';

revoke all on function private.chat_usage() from public, anon, authenticated, service_role;
revoke all on function public.chat_usage() from public, anon, authenticated, service_role;
grant execute on function private.chat_usage() to authenticated;
grant execute on function public.chat_usage() to authenticated;
