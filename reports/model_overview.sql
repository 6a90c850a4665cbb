-- Models at a glance: the numbers that matter most, a row for each model
-- One row per dataset and model; controls are left out. Models that name no class have no accuracy, see label_precision and value_errors. Commonest class: what naming it for every clip would be right on. Same when blurred: clips with the same answer behind a complete blur, and how many would have it by chance. Need, and times that random pieces would have to be so large: clips that the model has right, or all where answers are explained (table needs). On box: so many times as much of the optimised masks as of an even map. Frozen: mean change of the target's probability when all frames are the middle one. Intervals: 95 %, over clips.
with answered as (
    select dataset, model, count(*) filter (status = 'ok') as clips, count(*) filter (status != 'ok') as failed
    from predictions
    group by all
),
searched as (
    select name as method from methods where list_contains(bounds, 'sufficiency') order by name limit 1
),
drawn as (
    select name as method from methods
    where optimises_masks
    order by name not in (from searched), name
    limit 1
),
masses as (
    select dataset, model, times, times_low, times_high
    from mass_means
    where method in (from drawn) and times is not null
        and metric in (select name from metrics where annotation = 'own')
    qualify row_number() over (partition by dataset, model order by ratio, metric) = 1
)
select answered.dataset, answered.model, case when top1_clips > 0 then top1_clips else answered.clips end as clips,
    answered.failed as failed_clips,
    percent(top1) as top1_percent, percent(top1_low) as top1_percent_low, percent(top1_high) as top1_percent_high,
    percent(commonest) as commonest_class_percent,
    percent(same_when_blurred) as same_when_blurred_percent,
    percent(same_when_blurred_low) as same_when_blurred_percent_low,
    percent(same_when_blurred_high) as same_when_blurred_percent_high,
    if(same_when_blurred is null, null, percent(same_by_chance)) as by_chance_percent,
    fine_percent(need) as need_percent,
    fine_percent(need_low) as need_percent_low,
    fine_percent(need_high) as need_percent_high,
    round(2 ** excess, 2) as random_times,
    round(2 ** excess_low, 2) as random_times_low,
    round(2 ** excess_high, 2) as random_times_high,
    round(masses.times, 2) as on_box_times,
    round(masses.times_low, 2) as on_box_times_low,
    round(masses.times_high, 2) as on_box_times_high,
    percent(orders.change) as frozen_points,
    percent(orders.change_low) as frozen_points_low,
    percent(orders.change_high) as frozen_points_high
from answered
left join accuracy_means as means using (dataset, model)
left join chances using (dataset, model)
left join order_means as orders
    on answered.dataset = orders.dataset and answered.model = orders.model and orders.frame_order = 'frozen'
left join need_estimates as needs
    on answered.dataset = needs.dataset and answered.model = needs.model
    and needs.answers = (select answers from asked_answers where dataset = answered.dataset)
    and needs.method in (from searched)
left join masses on answered.dataset = masses.dataset and answered.model = masses.model
where answered.model not in (select model from controls)
order by answered.dataset, answered.model
