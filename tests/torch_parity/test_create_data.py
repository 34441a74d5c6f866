"""Tensors from data: inferred dtypes, nested sequences, arrays, buffers, old constructors.

Every expression is evaluated with both libraries (see `expressions`): values, dtypes, strides,
warnings and exceptions are the same.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch_parity compares with PyTorch, which is missing")

from tests.torch_parity.expressions import add_methods, compare


class Index:
    """An object that counts as an int."""

    def __index__(self) -> int:
        return 3


class Float:
    """An object that counts as a float."""

    def __float__(self) -> float:
        return 3.5


class Pair:
    """A sequence that is no list."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> float:
        if place >= 2:
            raise IndexError
        return float(place)


class Arrays:
    """An object that NumPy takes for an array."""

    def __array__(self, dtype: object = None, copy: object = None) -> object:
        return np.arange(3.0)


EXPRESSIONS = r"""
torch.tensor(3)
torch.tensor(3.5)
torch.tensor(True)
torch.tensor(2+1j)
torch.tensor('a')
torch.tensor(None)
torch.tensor([1,2.5])
torch.tensor([1,True])
torch.tensor([True,2.5])
torch.tensor([1,2+1j])
torch.tensor([])
torch.tensor([[],[]]).shape
torch.tensor([[1,2],[3]])
torch.tensor([[1],[2,3]])
torch.tensor([1,[2]])
torch.tensor([[1],2])
torch.tensor([[1,2],[3,4],[5]])
torch.tensor([[[1,2],[3,4]],[[1,2],[3]]])
torch.tensor(['a'])
torch.tensor([None])
torch.tensor([1,None])
torch.tensor([1,'a'])
torch.tensor({1:2})
torch.tensor({1,2})
torch.tensor(object())
torch.tensor(range(3))
torch.tensor((1,2))
torch.tensor([t(1),t(2)])
torch.tensor([t(1.5),2])
torch.tensor([t([1,2]),t([3,4])])
torch.tensor([t([1,2]),t([3,4,5])])
torch.tensor([t(1.,dtype=torch.float64),t(2.)]).dtype
torch.tensor([t(1.,dtype=torch.float64)]).dtype
torch.tensor([t(1,dtype=torch.int8),t(1,dtype=torch.int8)]).dtype
torch.tensor([np.float64(1.5)]).dtype
torch.tensor([np.float32(1.5)]).dtype
torch.tensor(np.float64(1.5)).dtype
torch.tensor(np.float32(1.5)).dtype
torch.tensor(np.int32(1)).dtype
torch.tensor([np.int32(1)]).dtype
torch.tensor(np.bool_(1)).dtype
torch.tensor([np.bool_(1)]).dtype
torch.tensor([np.arange(3),np.arange(3)])
torch.tensor([np.arange(3.),np.arange(3)]).dtype
torch.tensor([np.arange(3.,dtype=np.float32)]).dtype
torch.tensor(np.arange(3.)).dtype
torch.tensor(np.array(['a']))
torch.tensor(np.array([object()]))
torch.tensor(np.arange(3,dtype='>f4'))
torch.tensor(np.arange(4).reshape(2,2).T).stride()
torch.tensor(Arr())
torch.tensor(Pair())
torch.tensor([It()])
torch.tensor(It())
torch.tensor([Fl()])
torch.tensor(Fl())
torch.tensor(array.array('f',[1,2]))
torch.tensor(b'ab')
torch.tensor(bytearray(b'ab'))
torch.tensor(2**63)
torch.tensor(2**63-1)
torch.tensor(-2**63-1)
torch.tensor([2**63])
torch.tensor([2**64])
torch.tensor(300,dtype=torch.uint8)
torch.tensor(-1,dtype=torch.uint8)
torch.tensor(-200,dtype=torch.int8)
torch.tensor([300],dtype=torch.int8)
torch.tensor(2**40,dtype=torch.int32)
torch.tensor(1e40)
torch.tensor(1e300,dtype=torch.float16)
torch.tensor(70000.,dtype=torch.float16)
torch.tensor(1.7,dtype=torch.int64)
torch.tensor(float('nan'),dtype=torch.int64)
torch.tensor(float('inf'),dtype=torch.int64)
torch.tensor([1.7],dtype=torch.int64)
torch.tensor([float('nan')],dtype=torch.int64)
torch.tensor([1.7,-2.3],dtype=torch.int32)
torch.tensor([300.5],dtype=torch.uint8)
torch.tensor(2+1j,dtype=torch.float32)
torch.tensor([2+1j],dtype=torch.float32)
torch.tensor(2.5,dtype=torch.bool)
torch.tensor([2,0],dtype=torch.bool)
torch.tensor(3,dtype=torch.complex64)
torch.tensor('3',dtype=torch.float32)
torch.tensor(1,dtype=float).dtype
torch.tensor(1,dtype=int).dtype
torch.tensor(1,dtype=bool).dtype
torch.tensor(1,dtype=complex).dtype
torch.tensor(1,dtype=np.float32)
torch.tensor(1,dtype='float32')
torch.tensor(1,requires_grad=True)
torch.tensor(1.,requires_grad=True)
torch.tensor(1.,requires_grad=1)
torch.tensor(1.,device='cpu:0').device
torch.tensor(1,2)
torch.tensor(data=1)
torch.tensor(t(1.))
torch.tensor(t([1.],requires_grad=True))
torch.tensor(t([1.]),requires_grad=True)
torch.tensor([t(1.,requires_grad=True)])
torch.tensor(t([1,2]),dtype=torch.float32)
torch.as_tensor(t([1,2]),dtype=torch.float32)
torch.as_tensor([1,2.])
torch.as_tensor(np.arange(3.),dtype=torch.float32)
torch.as_tensor('a')
torch.asarray([1,2]).dtype
torch.asarray(np.arange(3.)).dtype
torch.asarray(np.arange(3.),copy=True).dtype
torch.asarray(np.arange(3.),dtype=torch.float32,copy=False)
torch.asarray([1.],copy=False)
torch.asarray(3.)
torch.asarray(t([1.]),requires_grad=True)
torch.asarray(t([1.],requires_grad=True)).requires_grad
torch.asarray(t([1.],requires_grad=True),requires_grad=True).is_leaf
torch.asarray(bytearray(b'abcd'),dtype=torch.int8)
torch.asarray(bytearray(b'abcd'))
torch.asarray(Arr())
torch.from_numpy([1])
torch.from_numpy(np.arange(3,dtype='>i4'))
torch.from_numpy(np.array(['a']))
torch.from_numpy(np.broadcast_to(np.arange(3),(2,3))).stride()
torch.from_numpy(np.float32(3))
torch.frombuffer(bytearray(b'abcdefgh'),dtype=torch.int32)
torch.frombuffer(b'abcdefgh',dtype=torch.int32)
torch.frombuffer(bytearray(b'abcdefgh'),dtype=torch.int32,count=1,offset=4)
torch.frombuffer(bytearray(b'abcdefg'),dtype=torch.int32)
torch.frombuffer(bytearray(b'abcdefgh'),dtype=torch.int32,offset=3)
torch.frombuffer(bytearray(b'abcdefgh'),dtype=torch.int32,count=3)
torch.frombuffer(bytearray(b'abcdefgh'),dtype=torch.int32,offset=8)
torch.frombuffer(bytearray(b''),dtype=torch.int32)
torch.frombuffer(bytearray(b'abcdefgh'),dtype=torch.int32,count=0)
torch.frombuffer(3,dtype=torch.int32)
torch.scalar_tensor(3)
torch.scalar_tensor(3).dtype
torch.scalar_tensor(3,dtype=torch.int8)
torch.scalar_tensor(t(3.))
torch.complex(t([1.,2.]),t([3.,4.]))
torch.complex(t([1.,2.]),t([3.,4.],dtype=torch.float64))
torch.complex(t([1.],requires_grad=True),t([3.]))
torch.Tensor([1,2])
torch.Tensor(2,3).shape
torch.Tensor()
torch.Tensor(t([1,2]))
torch.Tensor(t([1.,2]))
torch.Tensor(3.5)
torch.Tensor('a')
torch.Tensor(np.arange(3))
torch.Tensor(torch.Size([2,2])).shape
torch.Tensor((2,2))
torch.Tensor(2,-1)
torch.Tensor(2,2.5)
torch.FloatTensor([1,2]).dtype
torch.LongTensor([1,2]).dtype
torch.LongTensor([1.5,2])
torch.LongTensor(2,3).shape
torch.BoolTensor([1,0])
torch.ByteTensor([1,300])
torch.DoubleTensor(2).dtype
torch.LongTensor(t([1,2]))
torch.LongTensor(t([1.,2]))
isinstance(t([1]),torch.LongTensor)
isinstance(t([1.]),torch.LongTensor)
torch.tensor(1.).dtype
torch.tensor(1j).dtype
torch.Tensor([1]).dtype
torch.scalar_tensor(1).dtype
torch.tensor([t([1.5]),t([2.5])])
torch.tensor([t([1]),t([2])])
torch.tensor([[t(1),2],[3,t(4)]])
torch.tensor([t([[1]])])
torch.tensor([1,t([2])])
torch.tensor([t([2]),1])
torch.tensor([t(2),[1]])
torch.tensor([np.array([1,2]),[3,4]])
torch.tensor([[3,4],np.array([1,2])])
torch.tensor([np.array(3.5),1])
torch.tensor([np.array([1,2]),np.array([3])])
torch.tensor([1.0,np.float64(2)]).dtype
torch.tensor([1,np.float32(2)]).dtype
torch.tensor([1.0,np.int64(2)]).dtype
torch.tensor([1.0,np.float16(2)]).dtype
torch.tensor([1,t(2,dtype=torch.int8)]).dtype
torch.tensor([1.,t(2,dtype=torch.int8)]).dtype
torch.tensor([[1,2],3.])
torch.tensor([[1,2],'ab'])
torch.tensor([[1,2],(3,4)])
torch.tensor([range(2),range(2)])
torch.tensor([-255],dtype=torch.uint8)
torch.tensor([-256],dtype=torch.uint8)
torch.tensor([-1.5],dtype=torch.uint8)
torch.tensor([255.9],dtype=torch.uint8)
torch.tensor([True,1.5],dtype=torch.uint8)
torch.tensor([2**53+1],dtype=torch.float64)
torch.tensor([2**63],dtype=torch.float64)
torch.tensor([2**70],dtype=torch.float32)
torch.tensor([2**1100],dtype=torch.float32)
torch.tensor(2**70,dtype=torch.float64)
torch.tensor(1e20,dtype=torch.int64)
torch.tensor([1e20],dtype=torch.int64)
torch.tensor([9.3e18],dtype=torch.int64)
torch.tensor([2**31],dtype=torch.int32)
torch.tensor([1+0j],dtype=torch.int64)
torch.tensor([1j],dtype=torch.bool)
torch.tensor([None],dtype=torch.float32)
torch.tensor(None,dtype=torch.float32)
torch.tensor(['1'],dtype=torch.float32)
torch.tensor([[1,2],[3]],dtype=torch.float32)
torch.tensor([],dtype=torch.int64)
torch.tensor([[]],dtype=torch.int64).shape
torch.tensor([[[]],[[]]]).shape
torch.tensor([[],[1]])
torch.tensor([[1],[]])
torch.tensor([It()],dtype=torch.int64)
torch.tensor([Fl()],dtype=torch.float32)
torch.tensor([Fl()],dtype=torch.int64)
torch.tensor(np.arange(3.),dtype=torch.int8)
torch.tensor(np.array([300.,-1]),dtype=torch.uint8)
torch.tensor(np.array([float('nan')]),dtype=torch.int64)
torch.tensor(np.array([1+2j]),dtype=torch.float32)
torch.tensor(np.float64(3)).shape
torch.tensor(np.arange(3.),requires_grad=True)
torch.tensor(t([1.],requires_grad=True),requires_grad=True)
torch.tensor(t(3))._version
torch.as_tensor(t([1.],requires_grad=True)).requires_grad
torch.as_tensor(3)
torch.as_tensor(np.float64(3)).dtype
torch.as_tensor(np.arange(3.),device='cpu').dtype
torch.as_tensor([t(1.,requires_grad=True)])
torch.as_tensor(t([1.],requires_grad=True),dtype=torch.float64)
torch.Tensor([[1,2],[3]])
torch.Tensor([t(1),2])
torch.Tensor(np.float64(2))
torch.Tensor(np.int64(2)).shape
torch.Tensor(True)
torch.Tensor(range(3))
torch.Tensor(2,3,device='cpu').shape
torch.Tensor([1,2],device='cpu')
torch.Tensor(2,3,dtype=torch.float64)
torch.Tensor(data=[2,3])
torch.Tensor(t([1.,2.],dtype=torch.float64)).dtype
torch.Tensor(torch.ones(2,requires_grad=True)).requires_grad
torch.Tensor(None)
torch.Tensor({})
torch.Tensor(2**63)
torch.asarray(t([1.]),dtype=torch.float64).dtype
torch.asarray(t([1.]),copy=False)
torch.asarray(np.float32(3)).dtype
torch.asarray([[1,2],[3]])
torch.asarray(5)
torch.from_dlpack(np.arange(3))
torch.from_dlpack(t([1,2]))
torch.from_dlpack(3)
torch.tensor([t([1.,2.])])
torch.tensor([t([1.,2.]),3.])
torch.tensor([t(3.),None])
torch.tensor([b'ab'])
torch.tensor([[1,2],None])
torch.tensor([[None]])
torch.tensor([1,[2]],dtype=torch.float32)
torch.tensor([[1],2],dtype=torch.float32)
torch.tensor([[1,2],[3,[4]]])
torch.tensor([[1,2],[[3],4]])
torch.tensor([1.5,[2]])
torch.tensor([1.,None],dtype=torch.float32)
torch.tensor([1,None],dtype=torch.int64)
torch.tensor([1,'a'],dtype=torch.int64)
torch.tensor([1,'a'],dtype=torch.float32)
torch.tensor({'a':1},dtype=torch.float32)
torch.tensor({1,2},dtype=torch.int64)
torch.tensor('a',dtype=torch.int64)
torch.tensor(None,dtype=torch.int64)
torch.tensor([True,None],dtype=torch.bool)
torch.tensor([[]],requires_grad=True)
torch.tensor([t(True),t(False)])
torch.tensor([t(1.5)],dtype=torch.int64)
torch.tensor([t(1)],dtype=torch.float32)
torch.tensor([t([1,2])],dtype=torch.float32)
torch.tensor([np.float32(1.5)],dtype=torch.int64)
torch.tensor([np.int64(3),2.5])
torch.tensor([np.arange(4).reshape(2,2)])
torch.tensor((np.arange(2),[1,2]))
torch.tensor([np.array(['a'])])
torch.tensor([np.array([1.5,2.5],dtype=np.float16)]).dtype
torch.tensor([[np.float64(1)],[2]]).dtype
torch.tensor(np.array(3.5))
torch.tensor(np.array(3.5)).shape
torch.tensor([1]*3,dtype=torch.bfloat16)
torch.tensor([1.00390625,1.01171875],dtype=torch.bfloat16)
torch.tensor(1.00390625,dtype=torch.bfloat16)
torch.tensor([0.1],dtype=torch.float16).item()
torch.tensor([1e-8],dtype=torch.float16).item()
torch.tensor(-1)
torch.tensor([[1.0]],dtype=torch.complex128)
torch.tensor([1+2j,3],dtype=torch.complex64)
torch.tensor(True,dtype=torch.float32)
torch.tensor([2**62,1.5])
torch.tensor(memoryview(b'abc'))
torch.LongTensor()
torch.LongTensor(3).shape
torch.LongTensor((3,4))
torch.LongTensor
torch.FloatTensor.dtype
torch.IntTensor([1.7])
torch.FloatTensor(np.arange(3))
torch.FloatTensor([[1,2],[3,4]])
torch.BoolTensor([0,2])
torch.HalfTensor([1]).dtype
torch.CharTensor([1]).dtype
torch.ShortTensor([1]).dtype
torch.BFloat16Tensor([1]).dtype
issubclass(torch.LongTensor,torch.Tensor)
isinstance(t([1.]),torch.FloatTensor)
isinstance(3,torch.FloatTensor)
torch.Tensor(t(3.)).shape
torch.Tensor(3,t(2)).shape
torch.Tensor([])
torch.Tensor([t(1.),t(2.)])
torch.asarray([1.,2],requires_grad=True)
torch.asarray(t([1.]),dtype=torch.float64,copy=False)
torch.asarray(np.arange(3)[::2]).stride()
torch.asarray(bytearray(b'abcde'),dtype=torch.int16)
torch.asarray(True)
torch.asarray([True,False])
torch.asarray('a')
torch.scalar_tensor(1.5,dtype=torch.int64)
torch.scalar_tensor(True)
torch.scalar_tensor([1])
torch.scalar_tensor(3.,requires_grad=True)
"""


@pytest.mark.parametrize("expression", EXPRESSIONS.split("\n")[1:-1])
def test_data(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_methods(monkeypatch)
    compare(expression, It=Index, Fl=Float, Pair=Pair, Arr=Arrays)
