-- Reliability of the metrics: would other clips rank the methods in the same order?
-- One row per dataset, model and metric; each (method, ratio) is ranked by itself, floors are left out. split_half is the rank correlation to expect between two samples of so many clips (random halves, Spearman-Brown): below 0.7 the metric cannot rank these methods reproducibly. alpha (Krippendorff, ranks within clips) is the agreement of single clips.
select dataset, model, metric,
    case when split_half >= 0.7 then 'yes' when split_half is not null then 'no' end as answer,
    round(split_half, 2) as split_half,
    round(alpha, 2) as alpha,
    methods, clips,
    coalesce(
        reason,
        case when split_half < 0.7 then 'cannot rank these methods reproducibly: do not read an order from its table' end
    ) as note
from reliability
join metric_roles using (metric)
where not is_constant and annotation = 'own'
order by all
