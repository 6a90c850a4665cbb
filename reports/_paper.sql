-- The numbers that the paper prints (Li et al., WACV 2021), by what data sets, models and methods use.
-- Where it prints "/" the number is NULL. Table 4 repeats EP-3D and STEP of Table 3.

create view paper_numbers as
from (values
    ('Table 1', 'top1_percent', 'ucf101_24', 'r2plus1d_18', null, null, 100),
    ('Table 1', 'top1_percent', 'ucf101_24', 'vgg16_lstm', null, null, 97),
    ('Table 1', 'top1_percent', 'epic_object', 'r2plus1d_18', null, null, 57),
    ('Table 1', 'top1_percent', 'epic_object', 'vgg16_lstm', null, null, 55),
    ('Table 1', 'top1_percent', 'epic_action', 'r2plus1d_18', null, null, 77),
    ('Table 1', 'top1_percent', 'epic_action', 'vgg16_lstm', null, null, 81),
    ('Table 1', 'top5_percent', 'ucf101_24', 'r2plus1d_18', null, null, 100),
    ('Table 1', 'top5_percent', 'ucf101_24', 'vgg16_lstm', null, null, 100),
    ('Table 1', 'top5_percent', 'epic_object', 'r2plus1d_18', null, null, 85),
    ('Table 1', 'top5_percent', 'epic_object', 'vgg16_lstm', null, null, 84),
    ('Table 1', 'top5_percent', 'epic_action', 'r2plus1d_18', null, null, 97),
    ('Table 1', 'top5_percent', 'epic_action', 'vgg16_lstm', null, null, 100),
    ('Table 2', 'min_ratio', 'epic_object', 'r2plus1d_18', 'ep3d', null, 0.064),
    ('Table 2', 'min_ratio', 'epic_object', 'vgg16_lstm', 'ep3d', null, 0.157),
    ('Table 2', 'min_ratio', 'ucf101_24', 'r2plus1d_18', 'ep3d', null, 0.170),
    ('Table 2', 'min_ratio', 'ucf101_24', 'vgg16_lstm', 'ep3d', null, 0.280),
    ('Table 3', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'grad_cam', null, 7.1),
    ('Table 3', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'grad_cam', null, 6.1),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'grad_cam', null, 47.5),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'grad_cam', null, 35.5),
    ('Table 3', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'saliency_tubes', null, 6.6),
    ('Table 3', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'saliency_tubes', null, null),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'saliency_tubes', null, 41.4),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'saliency_tubes', null, null),
    ('Table 3', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'excitation_backprop', null, null),
    ('Table 3', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'excitation_backprop', null, 6.9),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'excitation_backprop', null, null),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'excitation_backprop', null, 46.5),
    ('Table 3', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'ep3d', null, 8.1),
    ('Table 3', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'ep3d', null, 6.1),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'ep3d', null, 47.6),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'ep3d', null, 47.2),
    ('Table 3', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'step', null, 9.0),
    ('Table 3', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'step', null, 9.1),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'step', null, 56.7),
    ('Table 3', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'step', null, 52.7),
    ('Table 4', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'ep3d_evenly', null, 7.9),
    ('Table 4', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'ep3d_evenly', null, 8.7),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'ep3d_evenly', null, 47.4),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'ep3d_evenly', null, 53.2),
    ('Table 4', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'ep3d_gaussian', 1, 8.4),
    ('Table 4', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'ep3d_gaussian', 1, 7.4),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'ep3d_gaussian', 1, 48.5),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'ep3d_gaussian', 1, 51.1),
    ('Table 4', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'ep3d_gaussian', 2, 8.1),
    ('Table 4', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'ep3d_gaussian', 2, 8.1),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'ep3d_gaussian', 2, 47.9),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'ep3d_gaussian', 2, 52.6),
    ('Table 4', 'spatial_percent', 'epic_object', 'r2plus1d_18', 'ep3d_gaussian', 3, 7.7),
    ('Table 4', 'spatial_percent', 'epic_object', 'vgg16_lstm', 'ep3d_gaussian', 3, 7.1),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'r2plus1d_18', 'ep3d_gaussian', 3, 50.3),
    ('Table 4', 'spatial_percent', 'ucf101_24', 'vgg16_lstm', 'ep3d_gaussian', 3, 54.3),
    ('Table 5', 'temporal_percent', 'epic_action', 'r2plus1d_18', 'excitation_backprop', null, null),
    ('Table 5', 'temporal_percent', 'epic_action', 'vgg16_lstm', 'excitation_backprop', null, 57.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'r2plus1d_18', 'ep3d', null, 34.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'vgg16_lstm', 'ep3d', null, 31.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'r2plus1d_18', 'ep3d_gaussian', 1, 46.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'vgg16_lstm', 'ep3d_gaussian', 1, 39.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'r2plus1d_18', 'ep3d_gaussian', 2, 46.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'vgg16_lstm', 'ep3d_gaussian', 2, 47.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'r2plus1d_18', 'ep3d_gaussian', 3, 41.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'vgg16_lstm', 'ep3d_gaussian', 3, 45.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'r2plus1d_18', 'step', null, 47.0),
    ('Table 5', 'temporal_percent', 'epic_action', 'vgg16_lstm', 'step', null, 49.0)
) as numbers(paper_table, quantity, dataset_use, model_use, method_use, reach, printed);
comment on view paper_numbers is 'What Tables 1 to 5 of the paper print, by what data set, model and method use; NULL where they print "/".';

create view paper_values as
select paper_table, quantity, datasets.name as dataset, models.name as model, methods.name as method,
    printed::double as printed
from paper_numbers
join datasets on datasets.use = dataset_use
join models on models.use = model_use
left join methods on methods.use = method_use and (reach is null or reach = (methods.settings ->> '$.reach')::int)
where method_use is null or methods.name is not null;
comment on view paper_values is 'The paper''s numbers by the names of this configuration, for what it shares with the paper.';

create view paper_smoothing as
from (values ('ep3d', null), ('step', 'L_K'), ('ep3d_evenly', 'evenly'), ('ep3d_gaussian', 'gaussian'))
    as methods(method_use, smoothing);
comment on view paper_smoothing is 'What Table 4 of the paper compares: EP-3D, and what smooths its masks in time.';

create view paper_two_maps as
from (values ('r2plus1d_18', 'grad_cam'), ('r2plus1d_18', 'saliency_tubes')) as maps(model_use, method_use);
comment on view paper_two_maps is 'Of which models and methods section 4.5 of the paper says that they have two distinct maps.';
