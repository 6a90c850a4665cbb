-- Near-duplicates: which test clips look like clips that the models have learned from?
-- One row per test clip with a frame like one of a training or validation clip of its data set, whatever its brightness. Another view of the same scene is not found.
select dataset, clip_id, segments.label, other_clip_id, others.label as other_label, other_split,
    round(likeness, 3) as likeness, alike_clips, alike_own_class, shows_class
from look_alikes
join segments using (dataset, clip_id)
join (select dataset, clip_id as other_clip_id, label from segments) as others using (dataset, other_clip_id)
where alike_clips > 0
order by dataset, shows_class desc, likeness desc, clip_id
