-- Volume of each frame: how much of a map lies in each frame of the clip?
-- One row per dataset, model, method and class (NULL: all classes), with a list over frames: mean share of the map's sum in percent; of methods with ratios the one nearest to 0.1. Maps that failed or are 0, floors and controls are left out, seeds averaged; of at most 4,000 clips of a data set. Intervals: 95 %, over clips.
with chosen as (
    select *
    from frame_means
    where model not in (select model from controls) and method not in (select method from method_roles where is_floor)
    qualify dense_rank() over (partition by dataset, model, method order by abs(ratio - 0.1), ratio) = 1
)
select dataset, model, method, concat_ws(' ', method, ratio) as contender, label,
    list(frame order by frame) as frame,
    list(round(100 * share, 2) order by frame) as percent,
    list(round(100 * share_low, 2) order by frame) as low,
    list(round(100 * share_high, 2) order by frame) as high,
    list(share_clips order by frame) as clips
from chosen
group by dataset, model, method, ratio, label
order by dataset, model, method, ratio, label
