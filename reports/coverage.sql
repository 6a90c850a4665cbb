-- Coverage: does every row that was asked for exist, and does it hold a value?
-- One row per stage, dataset, model and method. The configuration asks for predictions, maps and preservation; other stages are asked for what they hold.
with tests as (
    select datasets.name as dataset, count(segments.clip_id) as clips
    from datasets
    left join segments on datasets.name = segments.dataset and segments.split = 'test'
    group by all
),
searches as (
    select json_array_length(config, '$.preserve.classes') as classes from audit
),
asked as (
    select 'predictions' as stage, dataset, models.name as model, null as method, clips as asked
    from tests, models
    union all
    select 'maps', dataset, models.name, methods.name, clips * greatest(1, len(ratios)) * len(seeds)
    from tests, models, methods
    union all
    select 'preservation', dataset, models.name, methods.name,
        clips * len(seeds) * list_sum([if(bound = 'sufficiency', classes, 1) for bound in bounds])
    from tests, models, methods, searches
    where len(bounds) > 0 and models.name not in (select model from controls)
),
found as (
    select stage, dataset, model, method, status, count(*) as rows from outcomes group by all
    union all by name
    select 'segments' as stage, dataset, 'ok' as status, count(*) as rows from segments group by all
),
counted as (
    select stage, dataset, model, method, asked, 0 as rows, 0 as ok, null as failure from asked
    union all by name
    select stage, dataset, model, method, rows, if(status = 'ok', rows, 0) as ok,
        if(status = 'ok', null, rows || ' ' || status) as failure
    from found
)
select stage, dataset, model, method,
    coalesce(sum(asked), sum(rows))::bigint as asked,
    greatest(0, sum(asked) - sum(rows))::bigint as missing,
    sum(ok)::bigint as ok,
    (sum(rows) - sum(ok))::bigint as failed,
    string_agg(failure, ', ' order by rows desc, failure) as failures
from counted
group by stage, dataset, model, method
order by list_position(['segments', 'clips', 'predictions', 'maps', 'preservation', 'scores'], stage), dataset, model, method
