-- Question: On which clips is the model right with under 5 % of the video?
-- Answer: Each row is a clip on which the model is right, and of which a mask of at most `at_most_percent` of the
--   voxels keeps what `bound` asks for. If `censored` is 'left', no smaller mask fails: it may need even less. 0 with the
--   bound 'sufficiency': the clip's fills alone have the answer.
-- Beware: The mask was searched with this very model, so that it may persuade no other: see `evidence_clips`. A clip that
--   is missing needs more, or was never searched; `from failures` tells which.
select dataset, model, method, bound, label, clip_id,
    round(100 * upper, 2) as at_most_percent,
    round(100 * lower, 2) as more_than_percent,
    censored,
    round(target_probability, 3) as target_probability
from label_searches
join predictions using (dataset, model, clip_id)
join right_answers using (dataset, model, clip_id)
where is_right and upper < 0.05
order by dataset, model, method, bound, upper, clip_id
