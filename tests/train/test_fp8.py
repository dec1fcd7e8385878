"""An fp8 base is close to the one it replaces, both ways, and leaves the adapters alone."""

from typing import Any

import pytest
import torch
from diffusers import QwenImageTransformer2DModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import nn

from simgen.core.errors import UsageError
from simgen.train.families.base import Tokens
from simgen.train.flops import step_flops
from simgen.train.fp8 import Fp8Linear, quantise_base, quantise_rows

torch.set_num_threads(1)

E4M3 = torch.float8_e4m3fn
TARGETS = ["to_k", "to_q", "to_v", "to_out.0", "add_k_proj", "add_q_proj", "add_v_proj", "to_add_out"]


def layer(inputs: int = 96, outputs: int = 160, *, bias: bool = True, dtype: torch.dtype = torch.bfloat16) -> nn.Linear:
    torch.manual_seed(0)
    linear = nn.Linear(inputs, outputs, bias=bias).to(dtype)
    # Rows of unlike size, as in a trained weight: this is what a scale a row is for.
    linear.weight.data *= torch.logspace(-2, 1, outputs)[:, None].to(dtype)
    return linear.requires_grad_(False)


def relative_error(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.float() - wanted.float()).norm() / wanted.float().norm())


def input_gradient(linear: nn.Linear, x: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    linear(x).backward(grad)
    assert x.grad is not None
    return x.grad


def tiny(*, adapted: bool = True, dtype: torch.dtype = torch.bfloat16, frozen: bool = True) -> Any:
    """A Qwen transformer whose block layers all have sides that are multiples of 16."""
    torch.manual_seed(0)
    transformer: Any = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=32,
        num_attention_heads=2,
        joint_attention_dim=24,
        axes_dims_rope=(8, 12, 12),
    )
    transformer.to(dtype)
    transformer.requires_grad_(not frozen)
    if adapted:
        transformer.add_adapter(lora())
    return transformer


def lora() -> LoraConfig:
    return LoraConfig(r=4, lora_alpha=4, init_lora_weights=False, target_modules=TARGETS)


def inputs(dtype: torch.dtype = torch.bfloat16) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {
        "hidden_states": torch.randn(2, 35 + 21, 16, generator=generator).to(dtype),
        "encoder_hidden_states": torch.randn(2, 11, 24, generator=generator).to(dtype),
        "timestep": torch.tensor([0.3, 0.7], dtype=dtype),
        "img_shapes": [[(1, 5, 7), (1, 3, 7)]] * 2,
    }


def loss(transformer: Any) -> torch.Tensor:
    target = torch.randn(2, 56, 16, generator=torch.Generator().manual_seed(2))
    predicted: torch.Tensor = transformer(**inputs(), return_dict=False)[0]
    return (predicted.float() - target).square().mean()


def adapters(transformer: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in transformer.named_parameters() if "lora_" in name}


def base_bytes(transformer: nn.Module) -> dict[str, bytes]:
    tensors = {name: tensor for name, tensor in transformer.state_dict().items() if "lora_" not in name}
    return {name: tensor.contiguous().view(torch.uint8).numpy().tobytes() for name, tensor in tensors.items()}


def adapter_gradient(transformer: nn.Module) -> torch.Tensor:
    loss(transformer).backward()
    return torch.cat([p.grad.float().flatten() for p in adapters(transformer).values() if p.grad is not None])


@pytest.mark.parametrize("shape", [(64,), (3, 17), (1,)], ids=str)
def test_a_product_is_within_four_percent(shape: tuple[int, ...]) -> None:
    linear, x = layer(), torch.randn(*shape, 96).to(torch.bfloat16)
    got, wanted = Fp8Linear(linear)(x), linear(x)
    assert got.shape == wanted.shape
    assert got.dtype == torch.bfloat16
    assert relative_error(got, wanted) < 0.04


def test_the_gradient_of_the_input_is_within_five_percent() -> None:
    linear, x, grad = layer(), torch.randn(3, 64, 96).to(torch.bfloat16), torch.randn(3, 64, 160).to(torch.bfloat16)
    got, wanted = (input_gradient(each, x, grad) for each in (Fp8Linear(linear), linear))
    assert got.dtype == torch.bfloat16
    assert relative_error(got, wanted) < 0.05


def test_gradients_as_small_as_those_of_a_mean_over_pictures_survive() -> None:
    linear, x, grad = layer(), torch.randn(64, 96).to(torch.bfloat16), torch.randn(64, 160).to(torch.bfloat16)
    got, wanted = (input_gradient(each, x, grad * 1e-9) for each in (Fp8Linear(linear), linear))
    assert relative_error(got, wanted) < 0.05


def test_the_fp8_product_is_that_of_the_rounded_numbers() -> None:
    linear, x, grad = layer(), torch.randn(64, 96).to(torch.bfloat16), torch.randn(64, 160).to(torch.bfloat16)
    quantised = Fp8Linear(linear)
    values, scale = quantise_rows(x)
    weight = quantised.weight.float() * quantised.scale
    by_hand = (values.float() * scale) @ weight.t() + linear.bias.float()
    assert relative_error(quantised(x), by_hand) < 2**-8  # of bfloat16, in which the product comes

    values, scale = quantise_rows(grad * quantised.scale.t().to(torch.bfloat16))
    by_hand = (values.float() * scale) @ quantised.weight.float()
    assert relative_error(input_gradient(quantised, x, grad), by_hand) < 2**-8


def test_zero_rows_stay_zero() -> None:
    linear = layer(bias=False)
    linear.weight.data[5] = 0
    quantised, x = Fp8Linear(linear), torch.randn(8, 96).to(torch.bfloat16)
    x[3] = 0
    product = quantised(x)
    assert product.isfinite().all()
    assert (product[3] == 0).all()
    assert (product[:, 5] == 0).all()
    assert (input_gradient(quantised, x, torch.zeros(8, 160, dtype=torch.bfloat16)) == 0).all()


def test_a_rows_largest_number_becomes_the_largest_of_the_format() -> None:
    x = torch.randn(200, 96).to(torch.bfloat16) * torch.logspace(-8, 8, 200)[:, None].to(torch.bfloat16)
    values, scale = quantise_rows(x)
    assert values.dtype == E4M3
    assert (values.float().abs().amax(dim=-1) == 448).all()
    assert (scale == scale.to(torch.bfloat16)).all()


def test_float32_inputs_keep_their_dtype() -> None:
    linear, x = layer(dtype=torch.float32), torch.randn(8, 96)
    got = Fp8Linear(linear)(x)
    assert got.dtype == torch.float32
    assert relative_error(got, linear(x)) < 0.04


def test_what_is_saved_is_a_byte_a_weight_less_the_scales() -> None:
    transformer = tiny()
    before = sum(tensor.nbytes for tensor in transformer.state_dict().values())
    linears = [m for m in transformer.transformer_blocks.modules() if type(m) is nn.Linear and m.in_features != 4]
    linears = [linear for linear in linears if linear.out_features != 4]
    saved = quantise_base(transformer)
    assert saved == sum(linear.weight.numel() - 4 * linear.out_features for linear in linears)
    assert saved == before - sum(tensor.nbytes for tensor in transformer.state_dict().values())


def test_only_frozen_layers_of_the_blocks_are_quantised() -> None:
    transformer = tiny()
    quantise_base(transformer)
    found = {name for name, module in transformer.named_modules() if isinstance(module, Fp8Linear)}
    assert "transformer_blocks.0.attn.to_q.base_layer" in found
    assert "transformer_blocks.1.txt_mlp.net.2" in found
    assert len(found) == 2 * (8 + 4 + 2)
    assert not any("lora_" in name for name in found)
    assert all(name.startswith("transformer_blocks.") for name in found)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.even, self.odd = layer(32, 48), layer(32, 40)


class Transformer(nn.Module):
    _repeated_blocks = ("Block",)

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block()])


def test_layers_with_a_side_that_is_no_multiple_of_16_stay() -> None:
    transformer: Any = Transformer()
    assert quantise_base(transformer) == 32 * 48 - 4 * 48
    assert isinstance(transformer.blocks[0].even, Fp8Linear)
    assert type(transformer.blocks[0].odd) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_adapters_keep_their_dtype_and_their_names(dtype: torch.dtype) -> None:
    transformer = tiny()
    for parameter in adapters(transformer).values():
        parameter.data = parameter.data.to(dtype)
    before = get_peft_model_state_dict(transformer)
    quantise_base(transformer)
    after = get_peft_model_state_dict(transformer)
    assert list(before) == list(after)
    assert all(after[name].dtype == dtype and after[name].equal(before[name]) for name in before)


def test_an_adapter_that_comes_later_gets_the_dtype_that_the_base_had() -> None:
    transformer = tiny(adapted=False)
    quantise_base(transformer)
    transformer.add_adapter(lora())
    assert {parameter.dtype for parameter in adapters(transformer).values()} == {torch.bfloat16}
    assert adapter_gradient(transformer).isfinite().all()


def test_five_steps_train_the_adapters_and_leave_the_base() -> None:
    transformer = tiny()
    for parameter in adapters(transformer).values():
        parameter.data = parameter.data.float()
    quantise_base(transformer)
    base, before = base_bytes(transformer), {k: p.detach().clone() for k, p in adapters(transformer).items()}
    optimiser = torch.optim.AdamW(adapters(transformer).values(), lr=1e-2)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        value = loss(transformer)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert torch.tensor(losses).isfinite().all()
    assert losses[-1] < losses[0]
    assert base_bytes(transformer) == base
    trained = [name for name, p in adapters(transformer).items() if not p.equal(before[name])]
    # Nothing reads what the last block's text branch gives out, so only its adapter gets no gradient.
    assert {name for name in before if name not in trained} == {
        f"transformer_blocks.1.attn.to_add_out.lora_{part}.default.weight" for part in "AB"
    }


def test_adapters_get_the_gradient_of_the_unquantised_base() -> None:
    exact, quantised = tiny(), tiny()
    quantise_base(quantised)
    cosine = nn.functional.cosine_similarity(adapter_gradient(exact), adapter_gradient(quantised), dim=0)
    assert cosine > 0.95


def test_recomputed_blocks_give_the_same_gradients() -> None:
    kept, recomputed = tiny(), tiny()
    quantise_base(kept)
    quantise_base(recomputed)
    recomputed.enable_gradient_checkpointing()
    recomputed.train()
    assert adapter_gradient(kept).equal(adapter_gradient(recomputed))


def test_a_compiled_layer_is_one_graph_with_the_same_numbers() -> None:
    quantised, x, grad = Fp8Linear(layer()), torch.randn(8, 96).bfloat16(), torch.randn(8, 160).bfloat16()
    compiled: Any = torch.compile(quantised, backend="aot_eager", fullgraph=True)
    assert compiled(x).equal(quantised(x))
    assert input_gradient(compiled, x, grad).equal(input_gradient(quantised, x, grad))


def test_a_cast_of_the_transformer_leaves_the_weights_in_fp8() -> None:
    transformer = tiny()
    quantise_base(transformer)
    base = base_bytes(transformer.transformer_blocks)
    transformer.to(torch.float32)
    layers = [module for module in transformer.modules() if isinstance(module, Fp8Linear)]
    assert {module.weight.dtype for module in layers} == {E4M3}
    assert {module.scale.dtype for module in layers} == {torch.float32}
    transformer.to(torch.bfloat16)
    assert base_bytes(transformer.transformer_blocks) == base


def test_a_step_costs_the_same_flops_in_fp8() -> None:
    transformer, tokens = tiny(), Tokens(target=35, reference=21, text=11)
    before = step_flops(transformer, tokens)
    quantise_base(transformer)
    assert step_flops(transformer, tokens) == before


def test_a_base_that_trains_is_not_quantised() -> None:
    with pytest.raises(UsageError, match="no frozen layer left whose sides are multiples of 16; freeze the base"):
        quantise_base(tiny(adapted=False, frozen=False))


def test_quantising_twice_is_refused() -> None:
    transformer = tiny()
    quantise_base(transformer)
    with pytest.raises(UsageError, match="quantise it once"):
        quantise_base(transformer)
