"""Processors of the text encoders that do without torchvision, which the stock ones want: Qwen's for videos, Pixtral's
for pictures that FLUX.2 dev does not show to its text encoder."""

from typing import Any

from transformers import Qwen2VLProcessor, Qwen3VLProcessor
from transformers.processing_utils import ProcessorMixin


def _prepare(processor: Any, image_processor: Any, tokenizer: Any, chat_template: str | None) -> None:
    processor.image_token, processor.video_token = "<|image_pad|>", "<|video_pad|>"
    processor.vision_start_token, processor.vision_end_token = "<|vision_start|>", "<|vision_end|>"
    for name in ("image_token", "video_token", "vision_start_token", "vision_end_token"):
        setattr(processor, f"{name}_id", tokenizer.convert_tokens_to_ids(getattr(processor, name)))
    ProcessorMixin.__init__(processor, image_processor, tokenizer, chat_template=chat_template)


class ImageOnlyQwen2VLProcessor(Qwen2VLProcessor):  # type: ignore[misc]
    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        _prepare(self, image_processor, tokenizer, chat_template)


class ImageOnlyQwen3VLProcessor(Qwen3VLProcessor):  # type: ignore[misc]
    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **_: Any
    ) -> None:
        _prepare(self, image_processor, tokenizer, chat_template)


class TextOnlyPixtralProcessor(ProcessorMixin):  # type: ignore[misc]
    """Template and tokens are made by the mixin, as in the stock one."""

    def __init__(self, tokenizer: Any = None, chat_template: str | None = None, **_: Any) -> None:
        super().__init__(tokenizer, chat_template=chat_template)
