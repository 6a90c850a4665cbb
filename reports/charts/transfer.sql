-- Transfer: how much of the answer does a mask keep on the model that it was made for, and on the others?
-- One row per dataset, method, ratio, model, asked model and class (NULL: all classes): mean softmax probability of the target under the mask, on the clip, and on the fill alone. Of methods with ratios the one nearest to 0.1, of several such metrics the first; seeds averaged. Intervals: 95 %, over clips.
select dataset, method, concat_ws(' ', method, ratio) as contender, model, asked, label,
    round(kept, 3) as kept, round(kept_low, 3) as low, round(kept_high, 3) as high,
    round(whole, 3) as whole, round(empty, 3) as empty, kept_clips as clips
from transfer_means
where dataset in (select dataset from transfer_means where model != asked)
order by dataset, method, ratio, model, asked, label
