"""config/MODELS.md: its examples run, their answers are those worked out by hand, and its table is the code's."""

import io
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import onnx
import pytest
import torch
import yaml
from onnx import helper
from torch import Tensor
from torch.nn import functional

from stepaudit import adapters, layers
from stepaudit.audit import config, registry
from stepaudit.errors import NotApplicableError, UsageError
from stepaudit.methods import grad_cam
from stepaudit.networks import checkpoint

PAGE = (Path(__file__).parents[2] / "config" / "MODELS.md").read_text()
EXAMPLES = dict(re.findall(r"^### ([^\n]+)\n(?:(?!^### ).)*?```python\n(.*?)```", PAGE, re.M | re.S))
CLIPS = torch.rand(2, 3, 8, 32, 48, generator=torch.Generator().manual_seed(2))
SLOW, FAST = [0, 2, 4, 7], [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]  # 4 and 16 steps from frame 0 to 7
IMAGENET = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1, 1)


def four_small_frames(clips: Tensor) -> Tensor:
    """The second frame of each pair, as 24 × 24 pixels."""
    frames = clips[:, :, 1::2].unbind(dim=2)
    small = [functional.interpolate(frame, (24, 24), mode="bilinear", antialias=True) for frame in frames]
    return torch.stack(small, dim=2)


BY_HAND = {  # the class probabilities that the network within gives
    "It returns probabilities": lambda net: net(CLIPS),
    "It takes a list of pathways": lambda net: net([CLIPS[:, :, SLOW], CLIPS[:, :, FAST]]).softmax(1),
    "It takes its axes in another order": lambda net: net(CLIPS.transpose(1, 2)).softmax(1),
    "It has several labels a clip": lambda net: torch.stack([1 - net(CLIPS)[:, 1], net(CLIPS)[:, 1]], dim=1),
    "It is a transformer": lambda net: net(CLIPS).softmax(1),
    "It has several outputs": lambda net: net(CLIPS)["noun"].softmax(1),
    "It takes clips of another length or size": lambda net: net(four_small_frames(CLIPS)).softmax(1),
    "It takes other values": lambda net: net((CLIPS - IMAGENET[0]) / IMAGENET[1]).softmax(1),
}
TWO = "It has several labels a clip"  # with a label, or without it
LANGUAGE = "It is a video language model"  # which `test_language_model` saves
SERVER = "It answers on a server"
ONNX = "It is no PyTorch: ONNX, Keras"  # not a network of PyTorch within
every_example = pytest.mark.parametrize("title", BY_HAND)


def example(title):
    """The `build` of an example."""
    namespace = {"__name__": "my_models"}
    exec(compile(EXAMPLES[title], title, "exec"), namespace)
    return namespace["build"]


def test_every_example_is_tested():
    assert set(EXAMPLES) == {ONNX, SERVER, LANGUAGE, *BY_HAND}


def onnx_file(path, weights):
    """A network in ONNX: softmax of the mean colour [N, 3] of clips [N, T, H, W, 3], times weights [3, K]."""
    clips = helper.make_tensor_value_info("clips", onnx.TensorProto.FLOAT, ["N", "T", "H", "W", 3])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", weights.shape[1]])
    constants = [
        helper.make_tensor("axes", onnx.TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("weights", onnx.TensorProto.FLOAT, weights.shape, weights.flatten()),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["clips", "axes"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(nodes, "net", [clips], [scores], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(made.SerializeToString())


def test_the_example_in_onnx_gives_the_probabilities_of_its_file(tmp_path):
    weights = np.arange(9, dtype=np.float32).reshape(3, 3) / 4
    onnx_file(tmp_path / "net.onnx", weights)
    model = example(ONNX)(3, file=str(tmp_path / "net.onnx"))
    expected = (CLIPS.mean(dim=(2, 3, 4)) @ torch.from_numpy(weights)).softmax(dim=1)
    torch.testing.assert_close(adapters.logits_of(model, CLIPS, 3).softmax(dim=1), expected, atol=1e-5, rtol=1e-4)
    assert not layers.reaches_clips(model, CLIPS)


def test_weights_of_another_file_do_not_fit_the_example_in_onnx(tmp_path):
    for name in ("one", "other"):
        onnx_file(tmp_path / name, np.full((3, 3), len(name), np.float32))
    one, other = (example(ONNX)(3, file=str(tmp_path / name)) for name in ("one", "other"))
    other.load_state_dict(other.state_dict())
    with pytest.raises(UsageError, match="`content` is not that of the checkpoint; name its file"):
        other.load_state_dict(one.state_dict())


class MeanColour(BaseHTTPRequestHandler):
    """Logits of clips [N, T, H, W, 3] are their mean colours."""

    def do_POST(self):
        clips = np.load(io.BytesIO(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = io.BytesIO()
        np.save(answer, clips.mean(axis=(1, 2, 3)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.getvalue())

    def log_message(self, *_parts):
        pass


def test_the_example_on_a_server_gives_its_answers():
    with HTTPServer(("127.0.0.1", 0), MeanColour) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        model = example(SERVER)(3, url=f"http://127.0.0.1:{server.server_port}")
        logits = adapters.logits_of(model, CLIPS, 3)
        server.shutdown()
    torch.testing.assert_close(logits, CLIPS.mean(dim=(2, 3, 4)))


@every_example
def test_an_example_gives_the_probabilities_of_the_network_within(title):
    model = example(title)(3).eval()
    with torch.no_grad():
        logits = adapters.logits_of(model, CLIPS, 2 if title == TWO else 3)
        torch.testing.assert_close(logits.softmax(1), BY_HAND[title](model.model), atol=1e-5, rtol=1e-4)


@every_example
def test_without_its_adapter_an_example_fails_or_answers_something_else(title):
    """The premise: each of them needs what it says."""
    model = example(title)(3).eval()
    if model.patch:
        with pytest.raises(NotApplicableError, match="tokens"):
            grad_cam.attribute(adapters.Adapter(model.model, activation_layer="norm"), CLIPS, torch.tensor([0, 2]))
        return
    with torch.no_grad():
        expected = model(CLIPS).softmax(1)
        try:
            bare = adapters.logits_of(model.model, CLIPS, expected.shape[1]).softmax(1)
        except Exception:  # noqa: BLE001 (any failure will do)
            return
    assert (bare - expected).abs().max() > 1e-3


@every_example
def test_gradients_reach_the_clip_and_grad_cam_the_named_layer(title):
    model, clips = example(title)(3).eval(), CLIPS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(clips)[:, 0].sum(), clips)
    assert (gradient.abs().flatten(1).sum(dim=1) > 0).all()
    if model.activation_layer is not None:
        maps = grad_cam.attribute(model, CLIPS, torch.tensor([0, 1]))
        assert maps.full().shape == (2, 8, 32, 48)


@every_example
def test_weights_of_the_network_within_fill_an_example(title, tmp_path):
    """Under their own names, as the page says, also where the network calls something `head` or `backbone`."""
    model, trained = example(title)(3), example(title)(3).model
    torch.save(trained.state_dict(), tmp_path / "my_weights.pt")
    checkpoint.load_initial(model, str(tmp_path / "my_weights.pt"))
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[f"model.{name}"], value), name


def families() -> dict[str, list[str]]:
    """Rows of the page's table by name: weights, size, what it takes, Grad-CAM."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.M)
    return {name: [cell.strip("` ") for cell in rest.split("|")] for name, rest in rows}


def test_every_family_is_in_the_table():
    registered = {component.name for component in registry.components("models").values()}
    others = {"planted_white_box", "pooled_frames", "huggingface"}  # of the generated videos alone, or many families
    assert set(families()) == registered - others


@pytest.mark.parametrize("name", families())
def test_a_family_in_the_table_is_what_the_code_says(name):
    _, size, _, grad_cam_applies = families()[name]
    with torch.device("meta"):
        model = registry.find("models", name).load()(3)
    frames, height, width = type(model).input_size
    assert size in (f"{frames} × {height} × {width}", f"frames of {height} × {width}")
    assert grad_cam_applies == ("no" if model.activation_layer is None else "yes")


def test_a_models_own_clip_size_that_is_shown_is_the_one_of_its_weights():
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["models"]["swin"]
    model = config.Model.model_validate(shown)
    with torch.device("meta"):
        family = type(registry.find("models", model.use).load()(3))
    assert tuple(shown["clips"].values()) == family.input_size
    assert model.weights == families()["swin3d_t"][0]
