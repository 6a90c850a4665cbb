-- Volume of each frame: how much of a map lies in each frame of the clip?
-- One row per dataset, model, method and class (NULL: all classes), with a list over frames: mean share of the map's sum in percent; of methods with ratios the one nearest to 0.1. Maps that failed or are 0, floors and controls are left out, seeds averaged. Intervals: 95 %, over clips.
with chosen as (
    select maps.dataset, maps.model, maps.method, maps.ratio, maps.clip_id, label, frame_volume
    from maps
    join segments on maps.dataset = segments.dataset and maps.clip_id = segments.clip_id
    where status = 'ok' and maps.model not in (select model from controls)
        and maps.method not in (select method from method_roles where is_floor)
    qualify dense_rank() over (
        partition by maps.dataset, maps.model, maps.method order by abs(maps.ratio - 0.1), maps.ratio
    ) = 1
),
shares as (
    select dataset, model, method, ratio, label, clip_id,
        unnest(range(len(frame_volume))) as frame,
        unnest(frame_volume) / list_sum(frame_volume) as share
    from chosen
    where list_sum(frame_volume) > 0
),
clips as (
    select dataset, model, method, ratio, label, clip_id, frame, avg(share) as share
    from shares
    group by all
),
means as (
    select dataset, model, method, ratio, label, frame, count(*) as clips, avg(share) as share, mean_margin(share) as margin
    from clips
    group by grouping sets ((dataset, model, method, ratio, frame), (dataset, model, method, ratio, label, frame))
    having grouping(label) = 1 or label is not null
)
select dataset, model, method, concat_ws(' ', method, ratio) as contender, label,
    list(frame order by frame) as frame,
    list(round(100 * share, 2) order by frame) as percent,
    list(round(100 * clamped(share - margin, 1), 2) order by frame) as low,
    list(round(100 * clamped(share + margin, 1), 2) order by frame) as high,
    list(clips order by frame) as clips
from means
group by dataset, model, method, ratio, label
order by dataset, model, method, ratio, label
