"""S3D beyond torchvision's: other widths and clips that torchvision's pooling refuses."""

import pytest
import torch

from stepaudit.errors import UsageError
from stepaudit.models import s3d


def narrow(**options):
    return s3d.build(3, **{"width": 2, **options}).eval()


@pytest.mark.parametrize("width", [1, 3, 16])
def test_width_narrows_every_layer(width):
    model, full = s3d.build(3, width=width), 8.3e6
    channels = [module.out_channels for module in model.modules() if isinstance(module, torch.nn.Conv3d)][:-1]
    assert max(channels) == 6 * width  # 384 of 64
    assert sum(parameter.numel() for parameter in model.parameters()) < full * (width / 64) ** 2 * 2 + 5000


@pytest.mark.parametrize(("frames", "height", "width"), [(5, 17, 17), (8, 32, 32), (7, 47, 19), (16, 48, 224)])
def test_a_narrow_network_takes_clips_of_any_size_from_5_frames_of_17_pixels_on(frames, height, width):
    result = narrow()(torch.rand(2, 3, frames, height, width))
    assert result.shape == (2, 3)
    assert result.isfinite().all()


@pytest.mark.parametrize("size", [(4, 64, 64), (8, 16, 64), (8, 64, 16)])
def test_smaller_clips_are_refused_with_what_to_raise(size):
    """The premise is the network's own: without the check its poolings leave nothing."""
    with pytest.raises(UsageError, match=r"at least 5 of 17 × 17 are needed; raise `frames`, `height` or `width`"):
        narrow()(torch.rand(1, 3, *size))
    with pytest.raises(RuntimeError, match="too small"):
        narrow().backbone.features(torch.rand(1, 3, *size))


def test_a_last_activation_smaller_than_the_pooling_is_averaged_whole():
    """64 × 96 pixels leave 2 × 3, 8 frames one: the logits are the classifier of the mean, by hand."""
    model, seen = narrow(width=4), []
    model.activation_layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        result = model(torch.rand(2, 3, 8, 64, 96))
        assert seen[0].shape == (2, 64, 1, 2, 3)
        _, convolution = model.backbone.classifier
        expected = seen[0].mean(dim=(2, 3, 4)) @ convolution.weight.flatten(1).T + convolution.bias
    torch.testing.assert_close(result, expected)


def test_the_momentum_of_the_running_statistics_can_be_set():
    model, clips = s3d.build(3, width=1, momentum=1.0), torch.rand(4, 3, 8, 32, 32)
    convolution, norm, _ = model.backbone.features[0][0]
    model(clips)
    with torch.no_grad():
        expected = convolution(model.normalise(clips)).mean(dim=(0, 2, 3, 4))
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-5, rtol=1e-4)


def test_the_activation_layer_is_the_last_block_and_the_head_the_classifier():
    model = narrow()
    assert model.activation_layer is model.backbone.features[15]
    own = [name for name in model.backbone.state_dict() if name.startswith(model.head)]
    assert own == ["classifier.1.weight", "classifier.1.bias"]
