-- Faithfulness and the fill: does the order of the methods depend on what stands in the place of removed pixels?
-- One row per dataset, model, metric, unit and two fills. Methods (each with its ratio) in the order of insertion less deletion, every two on the same clips; a pair is clear under a fill if its 95 % interval leaves 0. Yes: at least 1 % of the pairs are clear under both and reversed (chance: 1 in 800). No: every pair that is clear under one lies the same way under the other.
with pairs as (
    select one.dataset, one.model, one.metric, one.unit, one.fill, other.fill as other_fill, one.contender, one.other,
        one.half_difference_clips as clips,
        sign(one.half_difference) as way, sign(other.half_difference) as other_way,
        verdict(one.half_difference_low, one.half_difference_high, 0) != 'cannot tell' as clear,
        verdict(other.half_difference_low, other.half_difference_high, 0) != 'cannot tell' as other_clear,
        one.in_sample or other.in_sample as in_sample
    from faithfulness_pairs as one
    join faithfulness_pairs as other using (dataset, model, metric, unit, contender, other)
    where one.fill < other.fill
),
counts as (
    select dataset, model, metric, unit, fill, other_fill,
        len(list_distinct(list(contender) || list(other))) as methods, min(clips) as clips, count(*) as pairs,
        sum(way * other_way) / nullif(sqrt(sum(abs(way)) * sum(abs(other_way))), 0) as tau,
        count(*) filter (way * other_way < 0) as turned_pairs,
        count(*) filter (clear and other_clear and way = other_way) as agreed_pairs,
        count(*) filter (clear and other_clear and way != other_way) as reversed_pairs,
        count(*) filter (clear and other_clear and way != other_way and in_sample) as reversed_in_sample_pairs,
        count(*) filter ((clear or other_clear) and way != other_way) as contradicted_pairs
    from pairs
    group by all
)
select dataset, model, metric, unit, fill, other_fill,
    case
        when reversed_pairs >= pairs / 100 then 'yes'
        when agreed_pairs > 0 and contradicted_pairs = 0 then 'no'
        else 'cannot tell'
    end as answer,
    round(tau, 2) as kendall_tau,
    methods, clips, pairs, turned_pairs, agreed_pairs, reversed_pairs, reversed_in_sample_pairs
from counts
order by all
