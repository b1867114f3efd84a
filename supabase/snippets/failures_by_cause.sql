-- Failures of the last seven days, by cause: calls that failed, and replies that ended so.
select cause, sum(calls) as calls, sum(replies) as replies, max(day) as last_day
from analytics.failure_causes
where day > (now() at time zone 'UTC')::date - 7
group by cause
order by replies desc, calls desc;
