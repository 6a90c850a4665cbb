-- Planted shortcut: does a trained model follow a cue that says nothing about the class?
-- One row per dataset, trained model and network set by hand that looks at the background or the decoy. Only test clips count on which that network's answer is not the label: there, a model that follows the cue fails as the network does. Yes or no: the 95 % interval (Wilson, clips) of the share of these clips that it follows leaves 50 %. Beside it the accuracy on test clips and, of the epoch kept, on validation clips, which share the training videos' backgrounds.
with answers as (
    select dataset, model, clip_id, target, list_position(probabilities, list_max(probabilities)) - 1 as answer
    from predictions
    where status = 'ok'
),
tested as (
    select dataset, model, count(*) as clips, avg((answer = target)::int) as top1
    from answers
    group by all
),
conflicts as (
    select own.dataset, own.model, hand.model as network, looks_at,
        count(*) as clips, count(*) filter (own.answer = hand.answer) / count(*) as followed
    from planted_models
    join answers as hand on hand.model = planted_models.model and hand.answer != hand.target
    join answers as own
        on own.dataset = hand.dataset and own.clip_id = hand.clip_id
        and own.model not in (select model from planted_models)
    where looks_at in ('background', 'decoy')
    group by all
)
select conflicts.dataset, conflicts.model, looks_at as cue, network,
    verdict(wilson_low(followed, conflicts.clips), wilson_high(followed, conflicts.clips), 0.5) as answer,
    round(100 * followed, 1) as followed_percent,
    round(100 * wilson_low(followed, conflicts.clips), 1) as followed_percent_low,
    round(100 * wilson_high(followed, conflicts.clips), 1) as followed_percent_high,
    conflicts.clips as conflict_clips,
    round(100 * top1, 1) as top1_percent,
    round(100 * wilson_low(top1, tested.clips), 1) as top1_percent_low,
    round(100 * wilson_high(top1, tested.clips), 1) as top1_percent_high,
    tested.clips,
    round(100 * validation_accuracy, 1) as validation_percent
from conflicts
join tested using (dataset, model)
left join training_log
    on conflicts.dataset = training_log.dataset and conflicts.model = training_log.model and training_log.best
order by all
