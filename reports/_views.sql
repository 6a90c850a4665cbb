-- What the reports share: macros for 95 % intervals, and views over the tables. They live inside audit.duckdb.
-- README.md describes each; `comment on view` says it in one sentence.

-- Student's t, 97.5 % quantile: the Cornish-Fisher series, within 1 % of the truth. NULL below one degree of freedom.
create macro t95(freedom) as case
    when freedom >= 3 then 1.959964 + 2.372 / freedom + 2.822 / freedom ** 2 + 2.556 / freedom ** 3
    when freedom >= 2 then 4.303
    when freedom >= 1 then 12.706
end;

-- A number moved into [0, most]; NULL stays NULL (`least` and `greatest` would leave it out).
create macro clamped(value, most) as case when value is not null then least(most, greatest(0, value)) end;

-- Half the width of the 95 % interval of a mean over clips.
create macro mean_margin(value) as t95(count(value) - 1) * stddev_samp(value) / sqrt(count(value));

-- Wilson score interval of a rate that was seen on `size` independent clips: the centre and half the width.
create macro wilson_centre(rate, size) as (rate + 1.920729 / size) / (1 + 3.841459 / size);
create macro wilson_margin(rate, size) as
    1.959964 / (1 + 3.841459 / size) * sqrt(rate * (1 - rate) / size + 0.960365 / size ** 2);
create macro wilson_low(rate, size) as clamped(wilson_centre(rate, size) - wilson_margin(rate, size), 1);
create macro wilson_high(rate, size) as clamped(wilson_centre(rate, size) + wilson_margin(rate, size), 1);

-- Standard error of sum(part) / sum(whole) over clips, each clip a cluster (linearised ratio estimator).
create macro clustered_error(part, whole) as sqrt(
    clamped(
        sum(part ** 2)
        - 2 * sum(part) / sum(whole) * sum(part * whole)
        + (sum(part) / sum(whole)) ** 2 * sum(whole ** 2),
        'infinity'::double
    ) * count(*) / nullif(count(*) - 1, 0)
) / sum(whole);

-- How many independent clips would give a rate this standard error: at most one a frame, and one a clip where no clip
-- differs from the others (a rate of 0 or 100 %).
create macro effective_size(rate, error, clips, frames) as case
    when error > 1e-9 and rate > 0 and rate < 1
        then least(frames, rate * (1 - rate) / error ** 2 * (1.959964 / t95(clips - 1)) ** 2)
    else clips
end;

create view test_clips as
select * from clips where split = 'test' and view = 'middle';
comment on view test_clips is 'The clips that are explained: the middle view of each test segment.';

create view metric_values as
select
    scores.metric,
    arg_max(metrics.name, length(metrics.name)) as metric_name,
    arg_max(metrics.use, length(metrics.name)) as metric_use,
    nullif(substr(scores.metric, max(length(metrics.name)) + 2), '') as part
from (select distinct metric from scores) as scores
join metrics on scores.metric = metrics.name or starts_with(scores.metric, metrics.name || '.')
group by scores.metric;
comment on view metric_values is 'Each name in scores.metric: the metric that gave it, what that uses, and which further value of it this is.';

create view score_rows as
select scores.*, segments.label, methods.use as method_use, metric_name, metric_use, part
from scores
join segments using (dataset, clip_id)
join metric_values using (metric)
join methods on scores.method = methods.name;
comment on view score_rows is 'The scores, with the clip''s label and what the method and the metric use.';

create view frame_scores as
select * from score_rows where frame is not null;
comment on view frame_scores is 'Score rows of single frames.';

create view clip_scores as
select * from score_rows where frame is null;
comment on view clip_scores is 'Score rows of whole clips.';

-- What became of each row, over all tables that say so.
create view outcomes as
select 'clips' as stage, dataset, clip_id, null as model, null as method, null as ratio, null as seed, null as metric,
    status, error
from clips
union all by name
select 'predictions' as stage, dataset, clip_id, model, status, error from predictions
union all by name
select 'maps' as stage, dataset, clip_id, model, method, ratio, seed, status, error from maps
union all by name
select 'preservation' as stage, dataset, clip_id, model, method, status, error from preservation
union all by name
select 'scores' as stage, dataset, clip_id, model, method, ratio, seed, metric, status, error from scores;
comment on view outcomes is 'The status of every row of every table that has one.';

create view failed as
with causes as (
    select outcomes.*,
        case
            when outcomes.status != 'upstream' then {'stage': stage, 'status': outcomes.status, 'error': outcomes.error}
            when test_clips.status not in ('ok', 'upstream')
                then {'stage': 'clips', 'status': test_clips.status, 'error': test_clips.error}
            when predictions.status not in ('ok', 'upstream')
                then {'stage': 'predictions', 'status': predictions.status, 'error': predictions.error}
            when maps.status not in ('ok', 'upstream') then {'stage': 'maps', 'status': maps.status, 'error': maps.error}
            else {'stage': stage, 'status': outcomes.status, 'error': outcomes.error}
        end as first
    from outcomes
    left join test_clips using (dataset, clip_id)
    left join predictions using (dataset, clip_id, model)
    left join maps
        on outcomes.dataset = maps.dataset and outcomes.clip_id = maps.clip_id and outcomes.model = maps.model
        and outcomes.method = maps.method and outcomes.ratio is not distinct from maps.ratio and outcomes.seed = maps.seed
    where outcomes.status != 'ok'
)
select * exclude (first), first.stage as cause_stage, first.status as cause_status, first.error as cause
from causes;
comment on view failed is 'Every row without a value; those that failed upstream name the stage, status and error that began it.';

-- Pointing games, clip by clip. Seeds are averaged first; the floors are measured on the same frames.
create view pointing_clips as
with hits as (
    select dataset, model, method, method_use, ratio, metric, metric_use, clip_id, frame, avg(value) as hit
    from score_rows
    where metric_use in ('spatial_pointing', 'temporal_pointing') and part is null and value is not null
    group by all
),
floors as (
    select dataset, model, metric, clip_id, frame,
        avg(hit) filter (method_use = 'center') as center,
        avg(hit) filter (method_use = 'random_pixel') as random
    from hits
    group by all
)
select hits.dataset, hits.model, method, method_use, ratio, hits.metric, metric_use, hits.clip_id,
    count(*) as frames, sum(hit) as hits, sum(center) as center_hits, sum(random) as random_hits
from hits
join floors
    on hits.dataset = floors.dataset and hits.model = floors.model and hits.metric = floors.metric
    and hits.clip_id = floors.clip_id and hits.frame is not distinct from floors.frame
group by all;
comment on view pointing_clips is 'Hits and measured frames (1 for a whole clip) of a pointing game, and the hits of the floors on the same frames.';

create view pointing_rates as
with asked as (
    select dataset, model, method, ratio, metric, metric_use, count(distinct clip_id) as clips_asked
    from score_rows
    where metric_use in ('spatial_pointing', 'temporal_pointing') and part is null
    group by all
),
rates as (
    select dataset, model, method, method_use, ratio, metric, count(*) as clips, sum(frames) as frames,
        sum(hits) / sum(frames) as rate, clustered_error(hits, frames) as error, avg(hits / frames) as clip_mean,
        sum(center_hits) / sum(frames) as center, sum(random_hits) / sum(frames) as random,
        clustered_error(hits - center_hits, frames) as center_error,
        clustered_error(hits - random_hits, frames) as random_error
    from pointing_clips
    group by all
),
gains as (
    select *, effective_size(rate, error, clips, frames) as size,
        if(method_use in ('center', 'random_pixel'), null, rate - greatest(center, random)) as gain,
        t95(clips - 1) * if(random is null or center >= random, center_error, random_error) as gain_margin
    from rates
),
reasons as (
    select dataset, model, method, ratio, metric, mode(concat_ws(': ', cause_status, cause)) as reason
    from failed
    where stage = 'scores'
    group by all
)
select asked.*, coalesce(clips, 0) as clips, coalesce(frames, 0) as frames,
    rate, wilson_low(rate, size) as rate_low, wilson_high(rate, size) as rate_high, clip_mean, center, random,
    gain, clamped(gain - gain_margin + 1, 2) - 1 as gain_low, clamped(gain + gain_margin + 1, 2) - 1 as gain_high,
    case when rate is null then reason end as reason
from asked
left join gains
    on asked.dataset = gains.dataset and asked.model = gains.model and asked.method = gains.method
    and asked.ratio is not distinct from gains.ratio and asked.metric = gains.metric
left join reasons
    on asked.dataset = reasons.dataset and asked.model = reasons.model and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio and asked.metric = reasons.metric;
comment on view pointing_rates is 'Pointing games: hit rate with 95 % interval (clips are the sampling unit), floors, paired gain over the better floor, and why there is no rate.';

-- The minimum preservation ratio as a survival time: a clip "survives" every ratio at which its probability is not kept.
create view preservation_times as
select dataset, model, method, bound, clip_id, censored,
    case censored when 'right' then lower when 'left' then upper else ratio end as ratio,
    censored is distinct from 'right' as reached
from preservation
where status = 'ok';
comment on view preservation_times is 'Each clip''s a*; left-censored clips count at the smallest ratio tried, right-censored ones leave (reached = false) at the largest.';

create view kaplan_meier as
with counted as (
    select dataset, model, method, bound, ratio,
        count(*) filter (reached) as events, count(*) filter (not reached) as censored
    from preservation_times
    group by all
),
at_risk as (
    select *, sum(events + censored) over (
        partition by dataset, model, method, bound order by ratio rows between current row and unbounded following
    )::bigint as at_risk
    from counted
)
select *,
    round(product(1 - events / at_risk) over so_far, 12) as survival,
    sum(events / (at_risk * nullif(at_risk - events, 0))) over so_far as log_variance
from at_risk
window so_far as (
    partition by dataset, model, method, bound order by ratio rows between unbounded preceding and current row
);
comment on view kaplan_meier is 'Kaplan-Meier curve: survival is the share of clips that need more than `ratio`; log_variance is Greenwood''s sum.';

create view dataset_summary as
select datasets.name as dataset, datasets.use,
    count(distinct segments.label) as classes,
    count(*) filter (segments.split = 'train') as train_clips,
    count(*) filter (segments.split = 'validation') as validation_clips,
    count(*) filter (segments.split = 'test') as test_clips,
    count(*) filter (segments.split = 'test' and test_clips.status = 'ok') as extracted,
    count(*) filter (segments.split = 'test' and explained.clip_id is not null) as explained
from datasets
left join segments on datasets.name = segments.dataset
left join test_clips on segments.dataset = test_clips.dataset and segments.clip_id = test_clips.clip_id
left join (select distinct dataset, clip_id from maps where status = 'ok') as explained
    on segments.dataset = explained.dataset and segments.clip_id = explained.clip_id
group by all
order by all;
comment on view dataset_summary is 'What each data set holds, and how many of its test clips were asked for, extracted and explained (by any model and method).';

create view stage_summary as
select stage, count(*) as jobs, sum(seconds) as seconds, max(peak_memory_mb) as peak_memory_mb,
    string_agg(distinct device, ', ' order by device) as devices
from runs
group by all
order by all;
comment on view stage_summary is 'Jobs, summed wall time and largest memory of each stage.';
