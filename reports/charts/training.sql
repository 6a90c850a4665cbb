-- Training: how often was a model right after each epoch?
-- One row per dataset, model and views (those of the training, or the validation clips), with a list over epochs. Intervals: 95 %, Wilson, over validation clips; training views have none.
with validated as (
    select dataset, count(distinct clip_id) as clips
    from clips
    where split = 'validation' and view = 'middle' and status = 'ok'
    group by all
),
shares as (
    select dataset, model, epoch, learning_rate, best, clips, 'validation' as views, validation_accuracy as share
    from training_log
    left join validated using (dataset)
    union all
    select dataset, model, epoch, learning_rate, best, null, 'training', train_accuracy
    from training_log
)
select dataset, model, views,
    list(epoch order by epoch) as epoch,
    list(round(100 * share, 1) order by epoch) as percent,
    list(round(100 * wilson_low(share, clips), 1) order by epoch) as low,
    list(round(100 * wilson_high(share, clips), 1) order by epoch) as high,
    list(clips order by epoch) as clips,
    list(best and views = 'validation' order by epoch) as kept
from shares
where share is not null
group by all
order by all
