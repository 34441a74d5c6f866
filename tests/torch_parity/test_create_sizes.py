"""Tensors from sizes: one value, like another tensor, numbers in steps.

Every expression is evaluated with both libraries (see `expressions`): values, dtypes, strides,
warnings and exceptions are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch_parity compares with PyTorch, which is missing")

import adjoint
from adjoint.ops import create
from tests.torch_parity.expressions import add_methods, compare

SIZES = r"""
torch.zeros(2,-1)
torch.zeros('a')
torch.zeros(2,2.5)
torch.zeros(2.5)
torch.zeros()
torch.zeros(())
torch.zeros(True)
torch.zeros(t(2)).shape
torch.zeros(t([2,3]))
torch.zeros([t(2),3]).shape
torch.zeros((2,),dtype=int).dtype
torch.zeros((2,),dtype='float32')
torch.zeros(2,requires_grad=True)
torch.zeros(2,dtype=torch.int64,requires_grad=True)
torch.zeros(2,out=torch.empty(3)).shape
torch.zeros(2,out=torch.empty(2,dtype=torch.int64)).dtype
torch.zeros(2,out=torch.empty(2,dtype=torch.int64),dtype=torch.float32)
torch.zeros(2,layout=torch.strided).shape
torch.zeros(2,device='cpu').shape
torch.zeros(2,names=('a',)).names
torch.zeros(size=(2,3)).shape
torch.zeros((2,3),4)
torch.ones(2,3,dtype=torch.bool)
torch.full((2,),3)
torch.full((2,),3.5)
torch.full((2,),True)
torch.full((2,),2+1j)
torch.full(2,3)
torch.full((2,),t(3.5))
torch.full((2,),t(3.5,requires_grad=True))
torch.full((2,),t([3.5]))
torch.full((2,),300,dtype=torch.uint8)
torch.full((2,),-1,dtype=torch.uint8)
torch.full((2,),3.7,dtype=torch.int64)
torch.full((2,),float('nan'),dtype=torch.int64)
torch.full((2,),'a')
torch.full((),3)
torch.full((2,),2**63)
torch.full((2,),1e40)
torch.full((2,),1j,dtype=torch.float32)
torch.full((2,-1),1)
torch.full_like(t([1,2]),3.5)
torch.full_like(t([1,2]),3.5,dtype=torch.float32)
torch.full_like(t([1.,2]),2)
torch.zeros_like(torch.empty(3,4).t()).stride()
torch.zeros_like(torch.empty(3,4).t(),memory_format=torch.contiguous_format).stride()
torch.zeros_like(torch.empty(2,3,4).permute(2,0,1)).stride()
torch.zeros_like(torch.empty(2,1,4).permute(2,0,1)).stride()
torch.zeros_like(torch.empty(3).expand(2,3)).stride()
torch.zeros_like(torch.empty(2,1).expand(2,3)).stride()
torch.ones_like([1])
torch.ones_like(t([1.],requires_grad=True)).requires_grad
torch.zeros_like(t([1.]),requires_grad=True)
torch.empty_like(t([1,2]),dtype=torch.float64).dtype
torch.empty(2,3).shape
torch.empty((2,3),dtype=torch.int8).dtype
torch.empty_strided((2,3),(1,2)).stride()
torch.empty_strided((2,3),(0,1)).stride()
torch.empty_strided((2,3),(1,))
torch.empty_strided((2,3),(-1,1))
torch.eye(3)
torch.eye(2,3)
torch.eye(-1)
torch.eye(2,-1)
torch.eye(2.5)
torch.eye(3,dtype=torch.int64)
torch.eye(3,dtype=torch.bool)
torch.eye(n=2,m=3).shape
torch.eye(2,out=torch.empty(0))
t([1.]).new_zeros(2,3).dtype
t([1]).new_zeros((2,)).dtype
t([1]).new_zeros(2,dtype=torch.float64,requires_grad=True)
t([1]).new_ones(2,3).dtype
t([1]).new_full((2,),3.5)
t([1.]).new_full((2,),3)
t([1.]).new_empty(2,3).dtype
t([1.]).new_empty_strided((2,3),(1,2)).stride()
t([1.]).new_tensor([1,2])
t([1]).new_tensor([1.5,2])
t([1.]).new_tensor(t([1,2]))
t([1.]).new_tensor(3,requires_grad=True)
t([1.]).new(2,3).shape
t([1.]).new([2,3])
t([1.]).new().shape
torch.zeros(1).dtype
torch.full((1,),1.).dtype
torch.rand(1).dtype
torch.empty_permuted((2,3),(1,0)).stride()
torch.full((2,),3,out=torch.empty(2)).dtype
torch.full((2,),3.5,out=torch.empty(2,dtype=torch.int64))
torch.full([2],3,names=None)
torch.full(size=(2,),fill_value=1)
torch.full(t(2),1)
torch.full((2,),-1,dtype=torch.bool)
torch.full((2,),1e400)
torch.full((2,),70000,dtype=torch.float16)
torch.full((2,),float('inf'),dtype=torch.float16)
torch.full((2,),-129,dtype=torch.int8)
torch.full((2,),-256,dtype=torch.uint8)
torch.full((2,),3,requires_grad=True)
torch.full((2,),3.,requires_grad=True)
torch.ones(2,-1)
torch.empty(2,-1)
torch.eye(2,requires_grad=True)
torch.zeros(3,2,1,1,memory_format=torch.channels_last).stride()
torch.empty(3,2,4,5,memory_format=torch.channels_last).stride()
torch.zeros(2,out=torch.empty(2,requires_grad=True))
torch.zeros(2,out=3)
torch.zeros(2,pin_memory=True)
torch.zeros([2,3],dtype=None).dtype
torch.zeros(*[2,3]).shape
torch.zeros(torch.Size([2])).shape
torch.normal(2,3,(2,2),out=torch.empty(2,2)).shape
torch.empty_permuted((2,3,4),(2,0,1)).stride()
torch.ones()
torch.empty()
torch.eye(t(2)).shape
torch.eye(True)
torch.eye(0).shape
torch.eye(3,0).shape
torch.zeros(0,3)
torch.ones(2,3,dtype=torch.complex64)
torch.full((2,),1.5,dtype=torch.bool)
torch.full((2,),np.float64(2.5))
torch.full((2,),np.int32(2))
torch.full((2,),np.float32(2.5)).dtype
torch.full((2,),np.bool_(True))
torch.full((2,),t(2)).dtype
torch.full((2,),t(True)).dtype
torch.full((2,),t(1.5,dtype=torch.float64)).dtype
torch.full_like(t([1.,2]),t(3))
torch.full_like(t([1,2]),300,dtype=torch.uint8)
torch.full_like(t([1.,2.]),1j)
torch.full_like(t([1.,2.]),3,requires_grad=True)
torch.zeros_like(t([1.,2.]),dtype=torch.int8)
torch.ones_like(t([1.,2.]),dtype=torch.bool)
torch.ones_like(t(3.))
torch.zeros_like(t([1]),requires_grad=True)
torch.zeros_like(torch.empty(2,3,4).permute(1,2,0)[:,::2]).stride()
torch.empty_like(torch.empty(2,3,4)[:,:,::2]).stride()
t([1.]).new_zeros()
t([1.]).new_zeros(2,-1)
t([1.]).new_full((2,),1j)
t([1]).new_full((2,),t(2.5))
t([1.]).new_ones((2,),dtype=int)
t([1.]).new_empty((0,)).shape
t([1.]).new_tensor([1,2],dtype=torch.int8)
t([1.]).new_tensor('a')
t([1.]).new_zeros(size=(2,3)).shape
"""

RANGES = r"""
torch.arange(5)
torch.arange(5.)
torch.arange(2,5)
torch.arange(0,1,.25)
torch.arange(1,2.5,.5)
torch.arange(5,0,-2)
torch.arange(5,0)
torch.arange(0,5,-1)
torch.arange(0,5,0)
torch.arange(0,float('inf'))
torch.arange(0,float('nan'))
torch.arange(0,0)
torch.arange(3,3).dtype
torch.arange(0,5,dtype=torch.float32)
torch.arange(0,5,2,dtype=torch.int8)
torch.arange(2.7,dtype=torch.int64)
torch.arange(.5,5.7,1.3,dtype=torch.int64)
torch.arange(t(5))
torch.arange(t(5.))
torch.arange(t([1,2]))
torch.arange('a')
torch.arange()
torch.arange(end=5)
torch.arange(start=2,end=5)
torch.arange(2,end=5)
torch.arange(start=2,end=8,step=3)
torch.arange(True)
torch.arange(1j)
torch.arange(5,requires_grad=True)
torch.arange(5.,requires_grad=True)
torch.arange(5,out=torch.empty(0))
torch.arange(5,out=torch.empty(3)).dtype
torch.arange(5,dtype=torch.bool)
torch.arange(2,dtype=torch.bool)
torch.arange(300,dtype=torch.uint8)[-3:]
torch.arange(2**62,2**62+3)
torch.arange(0,1,0.1).tolist()
torch.arange(0,1,0.1,dtype=torch.float64).tolist()
torch.arange(1,2,0.3,dtype=torch.float16)
torch.linspace(0,1,5)
torch.linspace(0,1,1)
torch.linspace(0,1,0)
torch.linspace(0,1,-1)
torch.linspace(0,1)
torch.linspace(0,10,5,dtype=torch.int64)
torch.linspace(0,10,4,dtype=torch.int64)
torch.linspace(-3,7,4,dtype=torch.int32)
torch.linspace(0,1,5).dtype
torch.linspace(0,1j,3)
torch.linspace(t(0.),t(1.),3)
torch.linspace(t([0.,1.]),1,3)
torch.linspace(0,1,3,dtype=torch.bool)
torch.linspace(0,1,2.5)
torch.linspace(0,1,steps=7).tolist()
torch.linspace(0,1,steps=3,requires_grad=True)
torch.linspace(0,1,3,out=torch.empty(0))
torch.logspace(0,2,3)
torch.logspace(0,2,3,base=2)
torch.logspace(0,2,5,dtype=torch.int64)
torch.logspace(0,1,3,base=-2)
torch.logspace(0,2,-3)
torch.logspace(-10,10,5).tolist()
torch.range(0,3)
torch.tril_indices(3,3)
torch.tril_indices(3,4,1)
torch.tril_indices(3,4,-1)
torch.triu_indices(3,3)
torch.triu_indices(3,4,1)
torch.triu_indices(3,4,-2)
torch.tril_indices(-1,3)
torch.tril_indices(3,3,dtype=torch.int32).dtype
torch.tril_indices(3,3,dtype=torch.float32)
torch.tril_indices(3,3,offset=1).shape
torch.arange(1.).dtype
torch.arange(0,10,dtype=torch.complex64)
torch.arange(3,dtype=torch.bfloat16)
torch.arange(0,2**24+3,2**22,dtype=torch.float32)
torch.arange(-3)
torch.arange(3,device='cpu').dtype
torch.arange(np.int64(3)).dtype
torch.arange(np.float64(3)).dtype
torch.arange(np.float32(3)).dtype
torch.arange(0,1e18,1e17).tolist()
torch.linspace(0,1,5,dtype=torch.complex64)
torch.linspace(1,1,3)
torch.linspace(0,255,3,dtype=torch.uint8)
torch.linspace(-3,7,4,dtype=torch.uint8)
torch.linspace(5,-5,6,dtype=torch.uint8)
torch.linspace(0,255,300,dtype=torch.int8)
torch.logspace(0,2,3,dtype=torch.uint8)
torch.linspace(start=0,end=1,steps=3)
torch.linspace(0.,float('inf'),3)
torch.linspace(True,3,3)
"""


@pytest.mark.parametrize("expression", SIZES.split("\n")[1:-1])
def test_sizes(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_methods(monkeypatch)
    compare(expression)


@pytest.mark.parametrize("expression", RANGES.split("\n")[1:-1])
def test_ranges(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_methods(monkeypatch)
    compare(expression)


def same_bits(ours: Any, theirs: Any) -> None:
    raw = theirs.view(torch.int16) if theirs.dtype == torch.bfloat16 else theirs
    got = ours.detach()._memory()
    assert str(ours.dtype) == str(theirs.dtype)
    assert got.shape == tuple(theirs.shape)
    assert got.tobytes() == raw.numpy().tobytes()


def both_dtypes(*names: str) -> list[tuple[Any, Any]]:
    return [(getattr(adjoint, name), getattr(torch, name)) for name in names]


FLOATS = ("float32", "float64", "float16", "bfloat16")


def test_steps_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 7, 31, 32, 33, 64, 100, 1000, 5003):
        for _ in range(4):
            start, step = float(rng.normal() * 10), float(rng.random() + 0.01)
            if rng.random() < 0.3:
                step = -step
            end = start + step * (count - 0.3)
            for ours, theirs in both_dtypes(*FLOATS):
                wanted = torch.arange(start, end, step, dtype=theirs)
                same_bits(create.arange(start, end, step, dtype=ours), wanted)


def test_large_integer_steps_in_float32() -> None:
    for start, end, step in [(0, 2**25, 12345), (2**24 - 5, 2**24 + 500, 1), (-(2**30), 0, 777777)]:
        for ours, theirs in both_dtypes("float32", "float64"):
            wanted = torch.arange(start, end, step, dtype=theirs)
            same_bits(create.arange(start, end, step, dtype=ours), wanted)


def test_lines_to_the_last_bit() -> None:
    rng = np.random.default_rng(2)
    for count in (2, 3, 10, 31, 64, 101, 5003):
        for _ in range(4):
            start, end = (float(x) for x in rng.normal(size=2) * 10)
            for ours, theirs in both_dtypes(*FLOATS):
                wanted = torch.linspace(start, end, count, dtype=theirs)
                same_bits(create.linspace(start, end, count, dtype=ours), wanted)


def test_integer_lines() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        low, high, count = (int(x) for x in rng.integers(-100, 100, 3))
        for ours, theirs in both_dtypes("int64", "int32", "int8"):
            wanted = torch.linspace(low, high, abs(count), dtype=theirs)
            same_bits(create.linspace(low, high, abs(count), dtype=ours), wanted)


def test_powers_to_the_last_bit() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        start, end = (float(x) for x in rng.normal(size=2) * 2)
        count, base = int(rng.integers(2, 100)), float(rng.choice([10.0, 2.0, 2.71828, 0.5, 3.0]))
        for ours, theirs in both_dtypes(*FLOATS):
            wanted = torch.logspace(start, end, count, base, dtype=theirs)
            same_bits(create.logspace(start, end, count, base, dtype=ours), wanted)
