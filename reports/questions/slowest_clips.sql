-- Question: Which clips took longest, and why?
-- Answer: The twenty clips whose maps took most seconds on one model, over all methods: which method took most of them, how many iterations its
--   optimiser made, and how many masks the searches for the paper's minimum ratio optimised.
-- Beware: The clips of a batch are timed together and share its time evenly, so that one slow clip looks like many that are less
--   slow. Searches, metrics and decoding are not timed by clip: `stage_summary` holds the time of all jobs.
with maps_of as (
    select dataset, clip_id, model, method, sum(seconds) as seconds, sum(steps) as steps, count(*) as maps
    from maps
    group by all
),
slow as (
    select dataset, clip_id, model, sum(seconds) as seconds, sum(maps)::bigint as maps,
        arg_max({'method': method, 'seconds': seconds, 'steps': steps}, seconds) as most
    from maps_of
    group by all
),
searches as (
    select dataset, clip_id, model, sum(evaluations)::bigint as masks_searched
    from preservation
    where bound != 'sufficiency'
    group by all
)
select dataset, label, clip_id, model,
    round(seconds, 2) as seconds,
    maps,
    most.method as slowest_method,
    round(100 * most.seconds / seconds, 1) as of_it_percent,
    most.steps::bigint as steps,
    masks_searched, test_clips.size
from slow
join models on slow.model = models.name
join test_clips using (dataset, clip_id)
left join searches using (dataset, clip_id, model)
where test_clips.size = models.size
order by seconds desc, dataset, clip_id, model
limit 20
