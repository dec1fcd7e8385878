"""An fp8 base: frozen layers whose weights take a byte a number, and which multiply in fp8 both ways.

Weights, inputs and gradients are e4m3 with one scale a row: a row's largest number becomes 448, the largest of the
format. The matrix units of a Hopper multiply this twice as fast as bf16, but the rounding itself is memory traffic:
eager, it takes a good part of the gain back (by arithmetic, not measured), so compile the blocks.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from simgen.core.errors import EnvironmentProblem, UsageError

_E4M3 = torch.float8_e4m3fn
_LARGEST = torch.finfo(_E4M3).max
_MULTIPLE = 16  # of both sides of a weight, for the fp8 kernels
_OLDEST_GPU = (8, 9)


def quantise_base(transformer: nn.Module) -> int:
    """Replace the weights of frozen block linears by e4m3 with one scale a row; returns the bytes that this saves.

    Call it when the base is frozen and has its dtype. Adapters are left alone, and one that PEFT adds later gets the
    dtype that the layer had. All layers outside the repeated blocks stay, and so do those with a side that is not a
    multiple of 16.
    """
    _refuse_old_gpu(transformer)
    names = list(_frozen_linears(transformer))
    if not names:
        raise UsageError(
            f"fp8: the blocks of {type(transformer).__name__} have no frozen layer left whose sides are multiples of "
            f"{_MULTIPLE}; freeze the base with requires_grad_(False) first, and quantise it once"
        )
    saved = 0
    for name in names:
        linear = transformer.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        quantised = Fp8Linear(linear)
        saved += _size_bytes(linear) - _size_bytes(quantised)
        transformer.set_submodule(name, quantised)
    return saved


class Fp8Linear(nn.Linear):
    """A frozen linear layer in fp8: `weight` holds e4m3 numbers, `scale` [out_features, 1] what to multiply them by."""

    scale: torch.Tensor

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)  # Linear's own would allocate the weight again
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight, scale = quantise_rows(linear.weight.detach())
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = linear.bias
        # PEFT asks for this name before it gives a new adapter the dtype of `weight`.
        self.compute_dtype = linear.weight.dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = _Fp8Matmul.apply(x, self.weight, self.scale, self.bias)  # type: ignore[no-untyped-call]
        return product

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "Fp8Linear":
        """`.to(...)` moves the weight and never casts it: wider numbers are as coarse, and no fp8 kernel takes them."""
        scale = self.scale
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.weight.data = self.weight.data.to(_E4M3)  # exact: what was cast came from e4m3
        self.scale = scale.to(self.weight.device)
        return self


def quantise_rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """e4m3 numbers and the float32 scale [rows, 1] that they are to be multiplied by; zero rows stay zero.

    The scale is rounded to the dtype of `x` before it is used, so that all arithmetic stays in that dtype, half the
    memory traffic of float32; a row's largest number then lands at most 0.4 % above 448, and rounds to it.
    """
    largest = torch.linalg.vector_norm(x, ord=float("inf"), dim=-1, keepdim=True)
    scale = (largest.float() / _LARGEST).to(x.dtype).clamp_min(torch.finfo(x.dtype).tiny)
    return (x / scale).to(_E4M3), scale.float()


class _Fp8Matmul(torch.autograd.Function):
    """x @ weight.T + bias, and the gradient of x. Weight and bias are frozen and get none."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(weight, scale)
        rows, row_scale = quantise_rows(x.reshape(-1, x.shape[-1]))
        # Fast accumulation forward and the exact one backward is what torchao's fp8 training does as well.
        product = torch._scaled_mm(
            rows,
            weight.t(),
            scale_a=row_scale,
            scale_b=scale.t(),
            bias=None if bias is None else bias.to(torch.bfloat16),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        return product.to(x.dtype).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weight, scale = ctx.saved_tensors
        (grad,) = grads
        # Here the sum runs over the rows of the weight, so their scales go into the other factor, before its rounding.
        folded = grad.reshape(-1, grad.shape[-1]) * scale.t().to(grad.dtype)
        rows, row_scale = quantise_rows(folded)
        # The kernels want the second factor column by column. A transposed copy for each call costs a byte read and
        # a byte written a weight, and the memory of one weight; kept copies would double what the base takes, to no
        # less than bf16.
        columns = weight.t().contiguous().t()
        product = torch._scaled_mm(
            rows,
            columns,
            scale_a=row_scale,
            scale_b=torch.ones(1, weight.shape[1], device=weight.device),
            out_dtype=torch.bfloat16,
        )
        return product.to(grad.dtype).view(*grad.shape[:-1], -1), None, None, None


def _frozen_linears(transformer: nn.Module) -> Iterator[str]:
    """Names of what can be quantised: in PEFT's wrappers the base layer, never an adapter."""
    kinds: Any = getattr(transformer, "_repeated_blocks", ())
    for block_name, block in transformer.named_modules():
        if type(block).__name__ not in kinds:
            continue
        for name, module in block.named_modules():
            if type(module) is not nn.Linear or any(part.startswith("lora_") for part in name.split(".")):
                continue
            fits = module.in_features % _MULTIPLE == 0 and module.out_features % _MULTIPLE == 0
            if fits and not any(parameter.requires_grad for parameter in module.parameters()):
                yield f"{block_name}.{name}"


def _refuse_old_gpu(transformer: nn.Module) -> None:
    device = next(transformer.parameters()).device
    if device.type != "cuda":
        return
    major, minor = torch.cuda.get_device_capability(device)
    if (major, minor) < _OLDEST_GPU:
        raise EnvironmentProblem(
            f"fp8 needs a GPU of compute capability 8.9 (Ada, Hopper) or newer; {torch.cuda.get_device_name(device)} "
            f"has {major}.{minor}; train without fp8"
        )


def _size_bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
