-- Two maps: do Grad-CAM and Saliency Tubes have only two distinct maps over the 16 frames on R(2+1)D? (section 4.5)
-- One row per dataset, model and method, those of the claim first; the others stand beside them without an answer. Temporal steps are the length in time of the method's own grid, from which the frames between are interpolated. Maps that failed are left out.
with grids as (
    select dataset, model, method, count(distinct clip_id) as clips, min(grid_shape[1]) as fewest, max(grid_shape[1]) as most,
        any_value(len(frame_volume)) as frames
    from maps
    where status = 'ok'
    group by all
),
reasons as (
    select dataset, model, method, most_frequent(concat_ws(': ', cause_status, cause)) as reason
    from failed
    where stage = 'maps'
    group by all
),
asked as (
    select dataset, model, method, (models.use, methods.use) in (select (model_use, method_use) from paper_two_maps) as claimed
    from (select distinct dataset, model, method from maps) as made
    join models on made.model = models.name
    join methods on made.method = methods.name
)
select if(claimed, 'two distinct maps over 16 frames', null) as claim, dataset, model, method,
    case
        when not claimed then null
        when frames is distinct from 16 then 'cannot tell'
        when fewest = 2 and most = 2 then 'yes'
        else 'no'
    end as answer,
    fewest as temporal_steps,
    if(most > fewest, most, null) as most_temporal_steps,
    frames,
    coalesce(clips, 0) as clips,
    if(clips is null, reason, null) as reason
from asked
left join grids using (dataset, model, method)
left join reasons using (dataset, model, method)
order by all
