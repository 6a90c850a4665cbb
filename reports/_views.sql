-- What the reports share: macros for 95 % intervals, and views over the tables. They live inside audit.duckdb.
-- What many reports read and takes long over millions of rows is a table, made once: measured, reasons, pointing_rates, gains_over_ep3d.
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

-- Half the width of the 95 % interval of a mean difference, each clip a cluster; where all clips differ by the same, as
-- wide as Wilson's interval leaves the share of clips that differ so.
create macro paired_margin(part, whole) as case
    when clustered_error(part, whole) > 1e-9 then t95(count(*) - 1) * clustered_error(part, whole)
    when count(*) > 1 then 2 * (1 - wilson_low(1, count(*))) * abs(sum(part) / sum(whole))
end;

-- Whether something is greater than a threshold: the interval must leave one answer.
create macro verdict(low, high, threshold) as case
    when low > threshold then 'yes'
    when high < threshold then 'no'
    else 'cannot tell'
end;

create view test_clips as
select * from clips where split = 'test' and view = 'middle';
comment on view test_clips is 'The clips that are explained: the middle view of each test segment, in each size that a model takes.';

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
select 'clips' as stage, dataset, clip_id, size, null as model, null as method, null as ratio, null as seed, null as metric,
    status, error
from clips
union all by name
select 'predictions' as stage, dataset, clip_id, model, status, error from predictions
union all by name
select 'maps' as stage, dataset, clip_id, model, method, ratio, seed, status, error from maps
union all by name
select 'preservation' as stage, dataset, clip_id, model, method, seed, status, error from preservation
union all by name
select 'scores' as stage, dataset, clip_id, model, method, ratio, seed, metric, status, error from scores;
comment on view outcomes is 'The status of every row of every table that has one.';

create view failed as
with upstream as (
    select outcomes.*,
        case
            when test_clips.status not in ('ok', 'upstream')
                then {'stage': 'clips', 'status': test_clips.status, 'error': test_clips.error}
            when predictions.status not in ('ok', 'upstream')
                then {'stage': 'predictions', 'status': predictions.status, 'error': predictions.error}
            when maps.status not in ('ok', 'upstream') then {'stage': 'maps', 'status': maps.status, 'error': maps.error}
            else {'stage': stage, 'status': outcomes.status, 'error': outcomes.error}
        end as first
    from outcomes
    left join models on outcomes.model = models.name
    left join test_clips
        on outcomes.dataset = test_clips.dataset and outcomes.clip_id = test_clips.clip_id
        and coalesce(outcomes.size, models.size) = test_clips.size
    left join predictions
        on outcomes.dataset = predictions.dataset and outcomes.clip_id = predictions.clip_id
        and outcomes.model = predictions.model
    left join maps
        on outcomes.dataset = maps.dataset and outcomes.clip_id = maps.clip_id and outcomes.model = maps.model
        and outcomes.method = maps.method and outcomes.ratio is not distinct from maps.ratio and outcomes.seed = maps.seed
    where outcomes.status = 'upstream'
)
select *, stage as cause_stage, status as cause_status, error as cause
from outcomes
where status not in ('ok', 'upstream')
union all by name
select * exclude (first), first.stage as cause_stage, first.status as cause_status, first.error as cause
from upstream;
comment on view failed is 'Every row without a value; those that failed upstream name the stage, status and error that began it.';

-- What cannot be measured by its nature comes before what the annotation lacks.
create table reasons as
with causes as (
    select dataset, model, method, ratio, metric, cause_status, concat_ws(': ', cause_status, cause) as cause, count(*) as rows
    from failed
    where stage = 'scores'
    group by all
)
select dataset, model, method, ratio, metric,
    coalesce(
        arg_max(cause, (rows, cause)) filter (cause_status = 'not_applicable'), arg_max(cause, (rows, cause))
    ) as reason
from causes
group by all;
comment on table reasons is 'The most frequent reason why rows of scores hold no value, by method, ratio and metric.';

-- Rows of methods with one seed are their own average, and many.
create table measured as
with seeds as (
    select method, min(seed) is not distinct from max(seed) as only_one from scores group by method
),
known as (
    select score_rows.*, only_one
    from score_rows
    join seeds using (method)
    where part is null and value is not null
)
select dataset, model, method, method_use, ratio, metric, metric_use, label, clip_id, frame, value
from known
where only_one
union all
select dataset, model, method, method_use, ratio, metric, metric_use, label, clip_id, frame, avg(value) as value
from known
where not only_one
group by all;
comment on table measured is 'What each metric measured by frame (NULL for a whole clip), seeds averaged.';

-- Pointing games. Seeds are averaged first; the floors are measured on the same frames.
create view pointing_hits as
select * exclude (value), value as hit
from measured
where metric_use in ('spatial_pointing', 'spatial_pointing_released', 'temporal_pointing');
comment on view pointing_hits is 'Hits of the pointing games by frame (NULL for a whole clip), seeds averaged.';

create view pointing_clips as
with clips as (
    select dataset, model, method, method_use, ratio, metric, metric_use, label, clip_id,
        count(*) as frames, sum(hit) as hits
    from pointing_hits
    group by all
)
select *,
    if(
        metric_use = 'spatial_pointing_released',
        1 / sum(frames) over (partition by dataset, model, method, ratio, metric, label),
        1
    ) as weight
from clips;
comment on view pointing_clips is 'Hits and measured frames (1 for a whole clip) of a pointing game by clip, and the weight of a frame: the released game gives each class the same.';

create view pointing_floors as
with floors as (
    select dataset, model, metric, clip_id, frame, method_use as floor, avg(hit) as hit
    from pointing_hits
    where method_use in ('center', 'random_pixel', 'annotation_prior', 'motion_energy')
    group by all
)
select hits.dataset, hits.model, method, ratio, hits.metric, hits.clip_id, floor,
    count(*) as frames, sum(hits.hit) as hits, sum(floors.hit) as floor_hits
from pointing_hits as hits
join floors
    on hits.dataset = floors.dataset and hits.model = floors.model and hits.metric = floors.metric
    and hits.clip_id = floors.clip_id and hits.frame is not distinct from floors.frame
group by all;
comment on view pointing_floors is 'Hits of a method and of each floor by clip, on the frames where both were measured.';

create table pointing_rates as
with asked as (
    select dataset, model, method, method_use, ratio, metric, metric_use, count(distinct clip_id) as clips_asked
    from score_rows
    where metric_use in ('spatial_pointing', 'spatial_pointing_released', 'temporal_pointing') and part is null
    group by all
),
rates as (
    select dataset, model, method, ratio, metric, count(*) as clips, sum(frames) as frames,
        sum(weight * hits) / sum(weight * frames) as rate,
        clustered_error(weight * hits, weight * frames) as error,
        avg(hits / frames) as clip_mean
    from pointing_clips
    group by all
),
floor_rates as (
    select clips.dataset, clips.model, clips.method, clips.method_use, clips.ratio, clips.metric, floor,
        sum(weight * floor_hits) / sum(weight * floors.frames) as floor_rate,
        sum(weight * (floors.hits - floor_hits)) / sum(weight * floors.frames) as gain,
        t95(count(*) - 1) * clustered_error(weight * (floors.hits - floor_hits), weight * floors.frames) as margin
    from pointing_floors as floors
    join pointing_clips as clips
        on clips.dataset = floors.dataset and clips.model = floors.model and clips.method = floors.method
        and clips.ratio is not distinct from floors.ratio and clips.metric = floors.metric
        and clips.clip_id = floors.clip_id
    group by all
),
floors as (
    select dataset, model, method, ratio, metric,
        max(floor_rate) filter (floor = 'center') as center,
        max(floor_rate) filter (floor = 'random_pixel') as random,
        max(floor_rate) filter (floor = 'annotation_prior') as prior,
        max(floor_rate) filter (floor = 'motion_energy') as motion,
        max({'rate': floor_rate, 'gain': gain, 'margin': margin})
            filter (method_use not in ('center', 'random_pixel', 'annotation_prior', 'motion_energy')) as best
    from floor_rates
    group by all
)
select asked.*, coalesce(clips, 0) as clips, coalesce(frames, 0) as frames, rate,
    wilson_low(rate, effective_size(rate, error, clips, frames)) as rate_low,
    wilson_high(rate, effective_size(rate, error, clips, frames)) as rate_high,
    clip_mean, center, random, prior, motion, best.gain as gain,
    clamped(best.gain - best.margin + 1, 2) - 1 as gain_low, clamped(best.gain + best.margin + 1, 2) - 1 as gain_high,
    case when rate is null then reason end as reason
from asked
left join rates
    on asked.dataset = rates.dataset and asked.model = rates.model and asked.method = rates.method
    and asked.ratio is not distinct from rates.ratio and asked.metric = rates.metric
left join floors
    on asked.dataset = floors.dataset and asked.model = floors.model and asked.method = floors.method
    and asked.ratio is not distinct from floors.ratio and asked.metric = floors.metric
left join reasons
    on asked.dataset = reasons.dataset and asked.model = reasons.model and asked.method = reasons.method
    and asked.ratio is not distinct from reasons.ratio and asked.metric = reasons.metric;
comment on table pointing_rates is 'Pointing games: hit rate with 95 % interval (clips are the sampling unit), floors, paired gain over the best floor, and why there is no rate.';

-- Smoothing in time is compared with EP-3D that was optimised in the same way.
create view ep3d_pairs as
with variants as (
    select name, use, ratios,
        settings ->> ['$.preset', '$.schedule', '$.iterations', '$.perturbation', '$.blur_sigma', '$.mask_sigma'] as way
    from methods
    where use in ('step', 'ep3d', 'ep3d_evenly', 'ep3d_gaussian')
)
select smooth.name as method, smooth.use as method_use, plain.name as ep3d,
    list_intersect(smooth.ratios, plain.ratios) as ratios
from variants as smooth
join variants as plain on smooth.use != 'ep3d' and plain.use = 'ep3d' and smooth.way is not distinct from plain.way;
comment on view ep3d_pairs is 'STEP and the baselines of smoothness, each with the EP-3D of the same preset, schedule and perturbation.';

create table gains_over_ep3d as
with clips as (
    select hits.dataset, hits.model, hits.method, pairs.ep3d, hits.ratio, hits.metric, hits.clip_id,
        count(*) as frames, sum(hits.hit) as hits, sum(plain.hit) as ep3d_hits
    from ep3d_pairs as pairs
    join pointing_hits as hits on hits.method = pairs.method
    join pointing_hits as plain
        on plain.method = pairs.ep3d and hits.dataset = plain.dataset and hits.model = plain.model
        and hits.ratio = plain.ratio and hits.metric = plain.metric and hits.clip_id = plain.clip_id
        and hits.frame is not distinct from plain.frame
    group by all
)
select dataset, model, method, ep3d, ratio, metric, count(*) as clips, sum(frames) as frames,
    count(*) filter (hits > ep3d_hits) as better_clips,
    count(*) filter (hits < ep3d_hits) as worse_clips,
    sum(hits) / sum(frames) as rate, sum(ep3d_hits) / sum(frames) as ep3d_rate,
    sum(hits - ep3d_hits) / sum(frames) as gain, paired_margin(hits - ep3d_hits, frames) as margin
from clips
group by all;
comment on table gains_over_ep3d is 'Pointing games on the frames where both were measured: hit rates of a smoothed method and of EP-3D, the paired gain with half its 95 % interval, and on how many clips either hits more.';

-- The minimum preservation ratio as a survival time: a clip "survives" every ratio at which its probability is not kept.
create view preservation_times as
select dataset, model, method, bound, clip_id, censored,
    case censored when 'right' then lower when 'left' then upper else ratio end as ratio,
    censored is distinct from 'right' as reached, lower, coalesce(upper, 1) as upper
from preservation
join methods on method = methods.name
where status = 'ok' and coalesce(seed, seeds[1]) = seeds[1];
comment on view preservation_times is 'Each clip''s a* with the method''s first seed, between lower and upper; left-censored clips count at the smallest ratio tried, right-censored ones leave (reached = false) at the largest.';

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
    count(*) filter (segments.split = 'test' and cut.ok) as extracted,
    count(*) filter (segments.split = 'test' and explained.clip_id is not null) as explained
from datasets
left join segments on datasets.name = segments.dataset
left join (select dataset, clip_id, bool_and(status = 'ok') as ok from test_clips group by all) as cut
    on segments.dataset = cut.dataset and segments.clip_id = cut.clip_id
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
