"""The example of a video language model in config/MODELS.md, on a tiny one with random weights."""

import pytest
import torch
from test_own_models import LANGUAGE, example
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)

from stepaudit import adapters, layers
from stepaudit.networks import probe

WORDS = ["unknown", "user", "what", "happens", "?", "assistant", "walk", "wave"]
VIDEO = 31  # the token in whose places the patches stand
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
CLIPS = torch.rand(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A folder with a network and a tokenizer of eight words; 4 frames of 4 × 4 patches."""
    folder = tmp_path_factory.mktemp("llava")
    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token=WORDS[0]))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**SMALL, image_size=32, patch_size=8),
        text_config=Qwen2Config(**SMALL, vocab_size=32, num_key_value_heads=2),
        image_token_index=30,
        image_token_id=30,
        video_token_index=VIDEO,
        video_token_id=VIDEO,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    torch.manual_seed(0)
    LlavaOnevisionForConditionalGeneration(config).save_pretrained(folder)
    return str(folder)


def test_its_logits_are_the_scores_of_the_answers_words(path):
    """Four frames of 2 × 2 pooled patches and an end of line stand between `user` and the question."""
    model = example(LANGUAGE)(2, path=path).eval()
    ids = torch.tensor([[1, *[VIDEO] * 17, 2, 3, 4, 5]]).expand(2, -1)
    frames = ((CLIPS - 0.5) / 0.5).transpose(1, 2).contiguous()
    with torch.no_grad():
        net = LlavaOnevisionForConditionalGeneration.from_pretrained(path).eval()
        scores = net(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values_videos=frames).logits[:, -1]
        found = adapters.logits_of(model, CLIPS, 2)
    torch.testing.assert_close(found, scores[:, [WORDS.index("walk"), WORDS.index("wave")]], atol=1e-5, rtol=1e-4)


def test_nothing_is_found_against_it_and_gradients_reach_the_clip(path):
    model = example(LANGUAGE)(2, path=path).eval()
    assert probe.ask(model, CLIPS, 2).findings == []
    assert layers.reaches_clips(model, CLIPS)
