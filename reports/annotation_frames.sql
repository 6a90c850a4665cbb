-- Frames behind the metrics: on how many was there an annotation, a tie or a constant map?
-- One row per dataset, model, metric, method and ratio; a metric of whole clips counts clips. Each seed counts. A row is annotated if any method could be measured on it. tied: equal values left the outcome to chance (a hit between 0 and 1, a rank accuracy of just one half). constant: no peak, the map is the same everywhere. Annotated = measured + constant + not_measured.
with frames as (
    select dataset, model, metric, clip_id, frame, bool_or(value is not null) as annotated,
        bool_or(status = 'no_annotation') as unannotated
    from score_rows
    where part is null
    group by all
),
counted as (
    select rows.dataset, rows.model, rows.metric, rows.method, rows.ratio, rows.clip_id, value, rows.status,
        rows.frame is not null as of_frame, frames.annotated, frames.unannotated and not frames.annotated as unannotated,
        case
            when metric_use in ('spatial_pointing', 'temporal_pointing') then value > 0 and value < 1
            when metric_use = 'box_auc' then value = 0.5
        end as tied
    from score_rows as rows
    join frames
        on rows.dataset = frames.dataset and rows.model = frames.model and rows.metric = frames.metric
        and rows.clip_id = frames.clip_id and rows.frame is not distinct from frames.frame
    where part is null
)
select dataset, model, metric, method, ratio,
    if(bool_or(of_frame), 'frames', 'clips') as counted,
    count(*) as asked,
    count(*) filter (annotated) as annotated,
    count(*) filter (unannotated) as unannotated,
    count(*) filter (not annotated and not unannotated) as unknown,
    count(value) as measured,
    count(*) filter (annotated and status = 'no_peak') as constant,
    count(*) filter (annotated and value is null and status != 'no_peak') as not_measured,
    case when count(tied) > 0 then count(*) filter (tied) end as tied,
    count(distinct clip_id) as clips
from counted
group by all
order by all
