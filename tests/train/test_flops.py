"""The formula for a step against torch's count of what is really multiplied, and against published sizes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from diffusers import (
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    QwenImage21Transformer2DModel,
    QwenImageTransformer2DModel,
)
from peft import LoraConfig
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from simgen.core.errors import UsageError
from simgen.train.families.base import Tokens
from simgen.train.flops import step_flops

torch.set_num_threads(1)

TEXT = 11
FIRST = r"transformer_blocks\.0\.attn\.(to_[qkv]|add_[qkv]_proj)\."
DOUBLE = r".*\.attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    build: Callable[[], torch.nn.Module]
    inputs: Callable[[Tokens], dict[str, Any]]
    tokens: Tokens
    attention: str
    """Pattern of the layers that attention is made of, for a LoRA."""
    unread: str = r"(?!)"
    """Pattern of layers in the last block whose output nothing reads."""


def qwen_image(**config: Any) -> torch.nn.Module:
    return QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=24,
        axes_dims_rope=(8, 4, 4),
        **config,
    )


def qwen_image_inputs(tokens: Tokens) -> dict[str, Any]:
    return {
        "hidden_states": torch.randn(1, tokens.target + tokens.reference, 16),
        "encoder_hidden_states": torch.randn(1, tokens.text, 24),
        "timestep": torch.tensor([0.5]),
        "img_shapes": [[(1, 5, tokens.target // 5), (1, 3, tokens.reference // 3)]],
    }


def flux() -> torch.nn.Module:
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=40,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )


def flux_inputs(tokens: Tokens) -> dict[str, Any]:
    pictures = tokens.target + tokens.reference
    return {
        "hidden_states": torch.randn(1, pictures, 16),
        "encoder_hidden_states": torch.randn(1, tokens.text, 24),
        "pooled_projections": torch.randn(1, 40),
        "timestep": torch.tensor([0.5]),
        "guidance": torch.tensor([2.5]),
        "img_ids": torch.zeros(pictures, 3),
        "txt_ids": torch.zeros(tokens.text, 3),
    }


def flux2(*, guidance_embeds: bool) -> torch.nn.Module:
    return Flux2Transformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        timestep_guidance_channels=20,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )


def flux2_inputs(tokens: Tokens) -> dict[str, Any]:
    pictures = tokens.target + tokens.reference
    return {
        "hidden_states": torch.randn(1, pictures, 16),
        "encoder_hidden_states": torch.randn(1, tokens.text, 24),
        "timestep": torch.tensor([0.5]),
        "guidance": torch.tensor([2.5]),
        "img_ids": torch.zeros(pictures, 4),
        "txt_ids": torch.zeros(tokens.text, 4),
    }


def qwen_image_21(**config: Any) -> torch.nn.Module:
    return QwenImage21Transformer2DModel(
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=24,
        axes_dims_rope=(8, 4, 4),
        **config,
    )


def qwen_image_21_inputs(tokens: Tokens, *, lead: int = 0) -> dict[str, Any]:
    """`lead` of the text tokens stand before the reference."""
    slots, target_slots = tokens.reference // 4, tokens.target // 4
    mask = [False] * lead + [True] * slots + [False] * (tokens.text - lead) + [True] * target_slots
    return {
        "hidden_states": torch.randn(1, tokens.target + tokens.reference, 16),
        "encoder_hidden_states": torch.randn(1, tokens.text + slots, 24),
        "timestep": torch.tensor([0.5]),
        "img_shapes": [[(1, 4, tokens.reference // 4), (1, 6, tokens.target // 6)]],
        "img_mask": torch.tensor([mask]),
    }


UNREAD = r"transformer_blocks\.1\.(attn\.to_add_out|txt_mlp)\."
ODD = Tokens(target=35, reference=21, text=TEXT)
SLOTS = Tokens(target=60, reference=28, text=TEXT)  # four tokens a slot, so the pictures cannot be odd
QWEN = Family(build=qwen_image, inputs=qwen_image_inputs, tokens=ODD, attention=DOUBLE, unread=UNREAD)
QWEN_21 = Family(
    build=qwen_image_21,
    inputs=qwen_image_21_inputs,
    tokens=SLOTS,
    attention=r".*\.attn\.to_([qkv]|out\.0)",
)
FAMILIES = {
    "qwen-image": QWEN,
    "qwen-image 2511": Family(
        build=lambda: qwen_image(zero_cond_t=True),
        inputs=qwen_image_inputs,
        tokens=ODD,
        attention=DOUBLE,
        unread=UNREAD,
    ),
    "flux kontext": Family(build=flux, inputs=flux_inputs, tokens=ODD, attention=DOUBLE),
    "flux2 klein": Family(
        build=lambda: flux2(guidance_embeds=False),
        inputs=flux2_inputs,
        tokens=ODD,
        attention=rf"single_.*\.(to_qkv_mlp_proj|to_out)|{DOUBLE}",
    ),
    "flux2 dev": Family(
        build=lambda: flux2(guidance_embeds=True),
        inputs=flux2_inputs,
        tokens=ODD,
        attention=rf"single_.*\.(to_qkv_mlp_proj|to_out)|{DOUBLE}",
    ),
    "qwen-image 2.1": QWEN_21,
    "qwen-image 2.1, one time": Family(
        build=lambda: qwen_image_21(causal_condition=False),
        inputs=qwen_image_21_inputs,
        tokens=SLOTS,
        attention=QWEN_21.attention,
    ),
}
EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


def attention_forward(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    return sdpa_flop_count(query, key, value)


def attention_backward(
    grad: Any, query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any
) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


def counter() -> FlopCounterMode:
    """torch's counter, with its own formulas for flash attention told to the kernels that the CPU has for it."""
    return FlopCounterMode(
        display=False,
        custom_mapping={
            torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_forward,
            torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
        },
    )


def counted_forward(transformer: torch.nn.Module, inputs: Mapping[str, Any]) -> int:
    with torch.no_grad(), counter() as count:
        transformer(**inputs)
    return count.get_total_flops()


def counted_backward(transformer: torch.nn.Module, inputs: Mapping[str, Any]) -> int:
    with counter() as forward:
        loss = transformer(**inputs, return_dict=False)[0].square().mean()
    with counter() as both:
        loss.backward()
    assert forward.get_total_flops() > 0
    return both.get_total_flops()


def adapted(family: Family, *, targets: str = "") -> torch.nn.Module:
    transformer: Any = family.build()
    transformer.requires_grad_(False)
    transformer.add_adapter(LoraConfig(r=3, init_lora_weights=False, target_modules=targets or family.attention))
    built: torch.nn.Module = transformer
    return built


def skipped_by_autograd(transformer: torch.nn.Module, family: Family, *, first: str = FIRST) -> int:
    """The gradients that the formula counts and nobody needs: `first` is what reads the input of the first block that
    has adapters, where neither a frozen weight nor an adapter's A has to pass a gradient on."""
    total = 0
    for name, module in transformer.named_modules():
        if isinstance(module, torch.nn.Linear):
            flops = 2 * rows(name, family) * module.in_features * module.out_features
            if re.match(first, name) and "lora_B" not in name:
                total += flops
            if re.match(family.unread, name):
                total += flops * (2 if "lora_" in name else 1)
    return total


def rows(name: str, family: Family) -> int:
    tokens = family.tokens
    if "add_" in name or "txt_" in name:
        return tokens.text
    joint = name.startswith("single_") or family.tokens is SLOTS
    return tokens.target + tokens.reference + (tokens.text if joint else 0)


@EVERY_FAMILY
def test_the_forward_pass_is_what_torch_counts(family: Family) -> None:
    transformer = family.build()
    assert step_flops(transformer, family.tokens).forward == counted_forward(transformer, family.inputs(family.tokens))


@EVERY_FAMILY
def test_adapters_count_in_the_forward_pass(family: Family) -> None:
    transformer = adapted(family)
    step = step_flops(transformer, family.tokens)
    assert step.forward == counted_forward(transformer, family.inputs(family.tokens))
    assert step.forward > step_flops(family.build(), family.tokens).forward


@EVERY_FAMILY
def test_the_backward_pass_is_what_torch_counts_and_what_autograd_skips(family: Family) -> None:
    transformer = adapted(family)
    counted = counted_backward(transformer, family.inputs(family.tokens))
    assert step_flops(transformer, family.tokens).backward == counted + skipped_by_autograd(transformer, family)


def test_blocks_before_the_first_adapter_have_no_backward_pass() -> None:
    family = FAMILIES["flux kontext"]
    transformer = adapted(family, targets=r"single_transformer_blocks\.\d+\.attn\.to_[qkv]")
    counted = counted_backward(transformer, family.inputs(ODD))
    skipped = skipped_by_autograd(transformer, family, first=r"single_transformer_blocks\.0\.(attn\.to_[qkv]|proj_mlp)")
    assert step_flops(transformer, ODD).backward == counted + skipped


def test_adapters_on_the_modulation_train_a_weight_and_pass_nothing_on() -> None:
    targets = r".*\.img_mod\.1"
    with_modulation = adapted(QWEN, targets=rf"{QWEN.attention}|{targets}")
    extra = step_flops(with_modulation, ODD).backward - step_flops(adapted(QWEN), ODD).backward
    a, b = 2 * 48 * 3, 2 * 3 * 6 * 48
    assert extra == 2 * (a + 2 * b)  # two blocks, one row each


def test_recomputing_all_blocks_costs_what_they_cost_in_the_forward_pass() -> None:
    step, inputs = step_flops(qwen_image(), ODD), qwen_image_inputs(ODD)
    transformer: Any = qwen_image()
    with torch.no_grad(), counter() as count:
        transformer(**inputs)
    blocks = sum(
        sum(count.get_flop_counts()[f"QwenImageTransformer2DModel.transformer_blocks.{i}"].values()) for i in (0, 1)
    )
    assert 2 * step.block == blocks


def test_text_before_the_reference_is_counted_as_if_it_stood_behind() -> None:
    transformer = qwen_image_21()
    counted = counted_forward(transformer, qwen_image_21_inputs(SLOTS, lead=4))
    too_much = 4 * 4 * (TEXT - 4) * 32 * 2  # pairs of text tokens on both sides, 32 wide, two blocks
    assert step_flops(transformer, SLOTS).forward == counted + too_much


def test_a_transformer_without_a_table_is_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"no transformer 'Linear'; known: Flux2Transformer2DModel, "):
        step_flops(torch.nn.Linear(4, 4), ODD)


def test_a_layer_that_the_table_does_not_know_is_named() -> None:
    transformer = qwen_image()
    transformer.add_module("extra", torch.nn.Linear(4, 4))
    with pytest.raises(UsageError, match="a layer 'extra' that its table does not know"):
        step_flops(transformer, ODD)


@pytest.mark.parametrize(
    ("kind", "tokens", "tera"),
    [
        (QwenImageTransformer2DModel, Tokens(target=4096, reference=4096, text=256), 168),
        (QwenImageTransformer2DModel, Tokens(target=4096, reference=4096, text=1000), 188),
        (QwenImageTransformer2DModel, Tokens(target=1024, reference=1024, text=256), 35),
        (FluxTransformer2DModel, Tokens(target=4096, reference=4096, text=512), 166),
        (Flux2Transformer2DModel, Tokens(target=4096, reference=4096, text=512), 583),
    ],
)
def test_full_size_transformers_cost_what_is_published(kind: Any, tokens: Tokens, tera: float) -> None:
    with torch.device("meta"):
        transformer = kind()
    assert step_flops(transformer, tokens).forward == pytest.approx(tera * 1e12, rel=0.02)


def test_a_step_of_qwen_image_without_recomputing_is_two_and_a_half_forward_passes() -> None:
    with torch.device("meta"):
        transformer: Any = QwenImageTransformer2DModel()
    transformer.requires_grad_(False)
    transformer.add_adapter(LoraConfig(r=16, target_modules=rf"{DOUBLE}|.*\.(img|txt)_mlp\.net\.(0\.proj|2)"))
    step = step_flops(transformer, Tokens(target=4096, reference=4096, text=256))
    assert step.forward + step.backward == pytest.approx(416e12, rel=0.02)
