-- The twenty users who cost most in the last 30 days.
select user_id, sum(calls) as calls, sum(tokens) as tokens, sum(cost_usd) as cost_usd
from analytics.cost_by_user
where day > (now() at time zone 'UTC')::date - 30
group by user_id
order by cost_usd desc nulls last, tokens desc
limit 20;
