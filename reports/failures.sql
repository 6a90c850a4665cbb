-- Failures: what failed, and why?
-- One row per clip that failed before it was explained, later one per reason (errors that differ only in numbers are the same). Upstream rows failed because of it.
with reasons as (
    select cause_stage as stage, dataset, cause_status as status, cause, clip_id, model, method,
        if(cause_stage = 'scores', metric, null) as metric,
        if(cause_stage in ('clips', 'predictions'), clip_id, null) as alone,
        regexp_replace(cause, '[0-9]+', '#', 'g') as kind,
        stage = cause_stage as here
    from failed
),
grouped as (
    select stage, dataset, status, metric, min(cause) as error,
        list_sort(list(distinct clip_id)) as clip_ids,
        string_agg(distinct model, ', ' order by model) filter (here) as models,
        string_agg(distinct method, ', ' order by method) filter (here) as methods,
        count(*) filter (here) as rows,
        count(*) filter (not here) as upstream_rows
    from reasons
    group by stage, dataset, status, metric, alone, kind
)
select stage, dataset, status, error,
    array_to_string(clip_ids[1:3], ', ') || if(len(clip_ids) > 3, ' and ' || (len(clip_ids) - 3) || ' more', '') as clip_id,
    models, methods, metric, rows, upstream_rows
from grouped
order by list_position(['clips', 'predictions', 'maps', 'preservation', 'scores'], stage), dataset, rows desc, clip_id, error, status, metric
