-- Kinds of clips: properties from their pixels, and what may go with them (stepaudit/report/statistics/kinds.py).

create view clip_properties as
with areas as (
    select dataset, clip_id, size, frame, least(1, sum((x1 - x0) * (y1 - y0) / (height * width))) as share
    from clip_boxes
    join (select dataset, clip_id, size, height, width from test_clips) using (dataset, clip_id, size)
    where view = 'middle'
    group by all
),
boxes as (
    select dataset, clip_id, size, avg(share) as box_share from areas group by all
)
select clips.dataset, clips.clip_id, clips.label, coalesce(segments."group", video_id, clips.clip_id) as video,
    dense_rank() over (partition by clips.dataset order by coalesce(video_id, clips.clip_id), start, stop) as stretch,
    brightness, contrast, motion, cuts, frozen_frames, borders, still_edges, box_share,
    (coalesce(stop, source_frames) - coalesce(start, 0))::double as length,
    (source_height * source_width)::double as source_pixels
from test_clips as clips
left join segments on clips.dataset = segments.dataset and clips.clip_id = segments.clip_id
left join boxes on clips.dataset = boxes.dataset and clips.clip_id = boxes.clip_id and clips.size = boxes.size
where clips.status = 'ok'
qualify row_number() over (partition by clips.dataset, clips.clip_id order by clips.height * clips.width, clips.size) = 1;
comment on view clip_properties is 'What each test clip looks like, in numbers from its pixels, boxes and video (the smallest size of the clip); NULL where it was not measured, as in clips that were cut by an earlier version.';

create view clip_outcomes as
select properties.*, predictions.model,
    if(answers.answer is null, null, if(answers.answer = answers.label, 0, 1))::double as wrong,
    if(searches.counts and searches.ratio > 0, log2(searches.ratio), null) as need,
    box - on_box as off_object
from clip_properties as properties
join predictions on properties.dataset = predictions.dataset and properties.clip_id = predictions.clip_id
left join given_answers as answers
    on predictions.dataset = answers.dataset and predictions.clip_id = answers.clip_id and predictions.model = answers.model
left join gallery_searches as searches
    on properties.dataset = searches.dataset and properties.clip_id = searches.clip_id and predictions.model = searches.model
left join box_masses as masses
    on properties.dataset = masses.dataset and properties.clip_id = masses.clip_id and predictions.model = masses.model
where predictions.status = 'ok' and predictions.model not in (select model from controls);
comment on view clip_outcomes is 'Beside the properties of each clip and model: whether the answer is wrong (NULL of models that name no class), how much of the clip is needed (octaves, of clips that count in the table of needs), and how much less of a map lies on the boxes than of an even one.';
