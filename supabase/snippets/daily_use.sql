-- The last 30 days: who asked, what became of it, what it used.
select *
from analytics.daily_use
where day > (now() at time zone 'UTC')::date - 30
order by day desc;
