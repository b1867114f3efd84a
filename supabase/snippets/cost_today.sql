-- Cost today (UTC), by model. calls_without_price: their tokens were used, their cost is not in the sum.
select model, calls, tokens, cost_usd, calls_without_price
from analytics.cost_by_model
where day = (now() at time zone 'UTC')::date
order by cost_usd desc nulls last;
