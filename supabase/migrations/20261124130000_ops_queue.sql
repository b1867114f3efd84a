-- The queue alone, for the workers' metrics: asked every few seconds, where the whole report would be too dear.

alter function private.ops_queue() security definer;

create function public.ops_queue() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.ops_queue();
end;

comment on function public.ops_queue() is
  'For the worker''s metrics: the queue as it is now, as in ops_report(). Figures only.';

revoke all on function public.ops_queue() from public, anon, authenticated, service_role;
grant execute on function private.ops_queue() to service_role;
grant execute on function public.ops_queue() to service_role;
