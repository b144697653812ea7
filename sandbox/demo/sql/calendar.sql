-- Days with trade, each holding as many slots as it is busy: growth over the years, a strong November and December, a
-- quiet summer and weekend. A slot drawn evenly is a day drawn by the season.
create temp table calendar as
with days as (
    select day::date as day, day::date - date '2023-01-01' as number
    from range(timestamp '2023-01-01', timestamp '2026-10-01', interval 1 day) as r(day)
),
weighed as (
    select
        day,
        (1000 + number)
        * [84, 80, 92, 96, 98, 90, 82, 84, 97, 108, 142, 160][month(day)]
        * [104, 100, 99, 101, 112, 96, 88][isodow(day)] // 700000 as busy
    from days
)
select day, row_number() over (order by day) - 1 as slot
from (select day, unnest(range(busy)) from weighed);

create temp table first_slots as select day, min(slot) as slot from calendar group by day;
