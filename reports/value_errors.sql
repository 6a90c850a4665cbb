-- Values: how far are the answers of regressions off?
-- One row per dataset and model; test clips with an annotated value. Mean error: of always answering the mean of the training clips; gain: how much less the model is off. In the value's own unit. Intervals: 95 %, over videos.
with valued as (
    select predictions.dataset, model, count(*) as clips
    from predictions
    join segments using (dataset, clip_id)
    where output is not null and value is not null
    group by all
)
select means.dataset, means.model, clips, error_clips as videos,
    round(error, 4) as error, round(error_low, 4) as error_low, round(error_high, 4) as error_high,
    round(mean_error, 4) as mean_error,
    round(mean_error_low, 4) as mean_error_low,
    round(mean_error_high, 4) as mean_error_high,
    round(gain, 4) as gain, round(gain_low, 4) as gain_low, round(gain_high, 4) as gain_high,
    tolerance,
    percent(within) as within_percent, percent(within_low) as within_percent_low,
    percent(within_high) as within_percent_high
from error_means as means
left join valued using (dataset, model)
join models on means.model = models.name
order by means.dataset, means.model
