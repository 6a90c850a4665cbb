-- Needs: how much of a clip does each model need?
-- One row per dataset, model, method and answers (all clips, or those that the model has right or wrong), first seed; failed searches are left out. Needing less is neither good nor bad by itself: what matters is where it lies. Need: geometric mean, over clips that need something and over levels of 30 to 90 % of what the clip adds. Times: random pieces, and the runner-up class, need so many times as much. Intervals: 95 %, classes a level of their own. Search: 'tubelets', by forward passes alone, finds somewhat larger pieces than 'gradients'.
select dataset, model, method, answers,
    fine_percent(need) as need_percent,
    fine_percent(need_low) as need_percent_low,
    fine_percent(need_high) as need_percent_high,
    if(excess_low <= 0 or own_less <= 0.5, 'no localised evidence', null) as verdict,
    percent(vacuous) as vacuous_percent,
    percent(vacuous_low) as vacuous_percent_low,
    percent(vacuous_high) as vacuous_percent_high,
    fine_percent(random) as random_need_percent,
    round(2 ** excess, 2) as excess_times,
    round(2 ** excess_low, 2) as excess_times_low,
    round(2 ** excess_high, 2) as excess_times_high,
    fine_percent(runner_up) as runner_up_need_percent,
    round(2 ** specificity, 2) as specificity_times,
    round(2 ** specificity_low, 2) as specificity_times_low,
    round(2 ** specificity_high, 2) as specificity_times_high,
    percent(own_less) as own_less_percent,
    percent(own_less_low) as own_less_percent_low,
    percent(own_less_high) as own_less_percent_high,
    percent(elsewhere) as elsewhere_percent,
    percent(elsewhere_low) as elsewhere_percent_low,
    percent(elsewhere_high) as elsewhere_percent_high,
    search, need_clips, specificity_clips, clips, classes
from need_estimates
order by dataset, model, method, answers
