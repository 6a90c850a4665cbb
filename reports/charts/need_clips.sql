-- Clips: how much of each clip does a model need, and how much of it would random pieces and the runner-up class need?
-- One row per dataset, model, method, what is asked and class (NULL: all classes), with a list over clips that need something.
with needs as (
    select dataset, model, method, clip_id, label,
        unnest([
            {'asked': 'own piece', 'octaves': log2_ratio},
            {'asked': 'random pieces', 'octaves': random_log2_ratio},
            {'asked': 'runner-up class', 'octaves': runner_up_log2_ratio}
        ]) as need
    from clip_needs
    where not vacuous
),
labelled as (
    select * exclude (label), unnest(if(label is null, [null], [null, label])) as label
    from needs
    where need.octaves is not null
)
select dataset, model, method, need.asked as asked, label,
    list(clip_id order by need.octaves, clip_id) as clip,
    list(fine_percent(2 ** need.octaves) order by need.octaves, clip_id) as percent
from labelled
group by all
order by all
