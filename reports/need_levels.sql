-- Levels: how much of a clip is enough for half, three quarters and nine tenths of what it adds?
-- One row per dataset, model, method, answers and level, first seed, over clips that need something. Medians of a* from brackets (Turnbull), with 95 % intervals of order statistics; random pieces were tried for half alone. Open: clips of which no piece is enough for the runner-up class.
with asked as (
    select dataset, model, method, answers, level,
        any_value(columns(* exclude (dataset, model, method, answers, level, asked))) filter (asked = 'own'),
        any_value({'median': median, 'low': low, 'high': high, 'open_clips': open_clips, 'clips': clips})
            filter (asked = 'runner_up') as runner_up,
        any_value({'median': median, 'low': low, 'high': high}) filter (asked = 'random') as random
    from need_medians
    group by all
)
select dataset, model, method, answers, level,
    fine_percent(median) as median_need_percent,
    fine_percent(low) as median_need_percent_low,
    fine_percent(high) as median_need_percent_high,
    clips,
    fine_percent(random.median) as random_need_percent,
    fine_percent(random.low) as random_need_percent_low,
    fine_percent(random.high) as random_need_percent_high,
    fine_percent(runner_up.median) as runner_up_need_percent,
    fine_percent(runner_up.low) as runner_up_need_percent_low,
    fine_percent(runner_up.high) as runner_up_need_percent_high,
    runner_up.open_clips as runner_up_open_clips,
    runner_up.clips as runner_up_clips
from asked
order by dataset, model, method, answers, level
