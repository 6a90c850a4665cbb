-- Frames behind the metrics: on how many was there an annotation, a tie or a constant map?
-- One row per dataset, model, metric, method and ratio; a metric of whole clips counts clips. Each seed counts. A row is annotated if any method could be measured on it. tied: equal values left the outcome to chance (a hit between 0 and 1, a rank accuracy of just one half). constant: no peak, the map is the same everywhere. Annotated = measured + constant + not_measured.
-- A cell is a frame of a clip, or the clip, as a metric measures it. Numbers of 64 bits stand for cells and clips: there are many.
with uses as (
    select row_number() over () as use, found.*, metric_use
    from (select distinct dataset, model, metric, method, ratio from scores) as found
    join metric_values using (metric)
    where part is null
),
cells as (
    select hash(dataset, model, metric, clip_id, frame) as cell, count(value) > 0 as annotated,
        count(value) = 0 and bool_or(status = 'no_annotation') as unannotated
    from scores
    group by all
),
rows as (
    select use, metric_use, hash(clip_id) as clip, frame, value, status, annotated, unannotated
    from scores
    join uses
        on scores.dataset = uses.dataset and scores.model = uses.model and scores.metric = uses.metric
        and scores.method = uses.method and scores.ratio is not distinct from uses.ratio
    join cells on cell = hash(scores.dataset, scores.model, scores.metric, clip_id, frame)
),
clips as (
    select use, clip, count(frame) > 0 as of_frames, count(*) as asked,
        count(*) filter (annotated) as annotated,
        count(*) filter (unannotated) as unannotated,
        count(*) filter (not annotated and not unannotated) as unknown,
        count(value) as measured,
        count(*) filter (annotated and status = 'no_peak') as constant,
        count(*) filter (annotated and value is null and status != 'no_peak') as not_measured,
        count(*) filter (if(metric_use = 'box_auc', value = 0.5, value > 0 and value < 1)) as tied
    from rows
    group by use, clip, metric_use
)
select dataset, model, metric, method, ratio,
    if(bool_or(of_frames), 'frames', 'clips') as counted,
    sum(asked)::bigint as asked,
    sum(annotated)::bigint as annotated,
    sum(unannotated)::bigint as unannotated,
    sum(unknown)::bigint as unknown,
    sum(measured)::bigint as measured,
    sum(constant)::bigint as constant,
    sum(not_measured)::bigint as not_measured,
    case
        when metric_use in ('spatial_pointing', 'temporal_pointing', 'box_auc') and sum(measured) > 0
            then sum(tied)::bigint
    end as tied,
    count(*) as clips
from uses
join clips using (use)
group by dataset, model, metric, method, ratio, metric_use
order by dataset, model, metric, method, ratio
