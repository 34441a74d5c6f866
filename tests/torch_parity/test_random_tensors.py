"""Random tensors: functions, methods that fill in place, the generator.

Every expression is evaluated with both libraries (see `expressions`): values, dtypes, strides,
warnings and exceptions are the same.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch_parity compares with PyTorch, which is missing")

from tests.torch_parity.expressions import add_methods, compare

FUNCTIONS = r"""
torch.rand(2,-1)
torch.rand('a')
torch.rand(2.5)
torch.rand((2,2.5))
torch.rand()
torch.rand([])
torch.rand(())
torch.rand(size=(2,)).shape
torch.rand(2,3,dtype=torch.int64)
torch.rand(2,device='foo')
torch.rand(t(2)).shape
torch.rand(t([2,3])).shape
torch.rand(np.int64(3)).shape
torch.rand(True).shape
torch.rand(2,out=torch.empty(2)).shape
torch.rand(2,out=torch.empty(3)).shape
torch.rand(2,out=torch.empty(0)).shape
torch.rand(2,out=torch.empty(2,dtype=torch.float64)).dtype
torch.rand(2,out=torch.empty(2,dtype=torch.float64),dtype=torch.float32).dtype
torch.rand(2,out=torch.empty(2,dtype=torch.int64)).dtype
torch.rand(2,out=torch.empty(2),requires_grad=True)
torch.rand(2,out=torch.empty(2,requires_grad=True))
torch.rand(2,requires_grad=True)
torch.randn(2,dtype=torch.int64)
torch.randn(2,dtype=torch.bool)
torch.randint(5,(2,)).dtype
torch.randint(3,5,(2,),dtype=torch.float32)
torch.randint(5,3,(2,))
torch.randint(5,5,(2,))
torch.randint(0,300,(2,),dtype=torch.uint8)
torch.randint(-1,300,(2,),dtype=torch.uint8)
torch.randint(5.5,(2,))
torch.randint(5,2)
torch.randint(high=5,size=(2,)).shape
torch.randint(low=2,high=5,size=(2,)).shape
torch.randint(0,2**63,(2,))
torch.randint(0,2,(2,),dtype=torch.complex64)
torch.randint(0,5,(2,),requires_grad=True)
torch.randint(t(0),t(5),(2,)).shape
torch.randint(5,(2,),dtype=torch.bool)
torch.randperm(-1)
torch.randperm(2.5)
torch.randperm(5,dtype=torch.bool)
torch.randperm(300,dtype=torch.uint8)
torch.randperm(300,dtype=torch.int8)
torch.randperm(3000,dtype=torch.float16)
torch.randperm(5,dtype=torch.complex64)
torch.randperm(5,out=torch.empty(5,dtype=torch.float32)).dtype
torch.normal(0,1,(2,)).dtype
torch.normal(0.,1.,2)
torch.normal(t([0.,1.])).shape
torch.normal(t([0.,1.]),2.).shape
torch.normal(0.,t([0.,1.])).shape
torch.normal(t([0.,1.]),t([1.])).shape
torch.normal(t([0.,1.]),t([1.,2.,3.])).shape
torch.normal(t([0,1]),1.)
torch.normal(t([0.,1.]),t([1,2]))
torch.normal(t([0.,1.]),t([1.,-2]))
torch.normal(t([0.,1.]),-1.)
torch.normal(0.,-1.,(2,))
torch.normal(t([0.,1.],requires_grad=True),1.)
torch.normal(0.,t([0.,1.],requires_grad=True))
torch.normal(t([0.,1.],dtype=torch.float64),t([1.,2.])).dtype
torch.normal(t([0.,1.]),t([1.,2.],dtype=torch.float64)).dtype
torch.normal(mean=0,std=1,size=(2,),dtype=torch.float64).dtype
torch.bernoulli(t([.5,.5]))
torch.bernoulli(t([.5,1.5]))
torch.bernoulli(t([.5,.5],requires_grad=True))
torch.bernoulli(t([1,0]))
torch.bernoulli(t([.5]),.3)
torch.bernoulli(t([.5]),1.3)
torch.bernoulli(.5)
torch.poisson(t([1.,2.],requires_grad=True))
torch.poisson(t([-1.,2.]))
torch.poisson(t([1,2]))
torch.multinomial(t([1.,2.],requires_grad=True),1)
torch.rand_like(t([1,2]))
torch.rand_like(t([1.,2]),dtype=torch.float64).dtype
torch.rand_like(torch.empty(3,4).t()).stride()
torch.randn_like(torch.empty(3,4).t()).stride()
torch.rand_like(torch.empty(4,8)[:,::2].t()).stride()
torch.rand_like([1,2])
torch.randint_like(t([1.,2]),5).dtype
torch.randint_like(t([1.,2]),3,5).dtype
torch.randint_like(t([1.,2]),low=3,high=5,dtype=torch.int8).dtype
torch.randint_like(t([1,2]),t(5)).dtype
torch.manual_seed(3)
torch.random.manual_seed(3)
torch.initial_seed()
torch.set_rng_state(torch.get_rng_state())
torch.set_rng_state(3)
torch.rand(2,dtype=torch.uint8)
torch.randn(2,dtype=torch.uint8)
torch.normal(0.,1.,size=2)
torch.normal(t([1.]),t([1.]),(2,))
torch.normal(0.,t([1,2]))
torch.normal(1.,t([1+1j]))
torch.multinomial(torch.ones(2,3,5).view(6,5)[::2],2,out=torch.empty(0,dtype=torch.int64)).shape
torch.poisson(torch.ones(3,dtype=torch.bfloat16)).dtype
torch.binomial(t([1.,2.]),t([.5]))
torch.binomial(t([1,2]),t([.5,.5]))
torch.binomial(t([1.,2.]),t([1.5,.5]))
torch.binomial(t([-1.,2.]),t([.5,.5]))
torch._standard_gamma(t([1,2]))
torch.randint(3,(2,),generator=torch.Generator().manual_seed(0))
torch.randint(3,(2,),out=torch.empty(0)).dtype
torch.randint(0,3,[2],dtype=int)
torch.randint(0,3)
torch.randint(low=0,high=3)
torch.randperm(4,generator=torch.Generator().manual_seed(0),requires_grad=True)
torch.randperm(4,generator=torch.Generator().manual_seed(0),dtype=torch.float32,requires_grad=True)
torch.randperm(True)
torch.randperm(t(3)).shape
torch.rand_like(t([1.,2]),requires_grad=True)
torch.rand_like(t([1.,2]),generator=torch.Generator().manual_seed(0))
torch.randn_like(t([1.,2]),device='cpu').shape
torch.randint_like(t([1.,2]),5,3)
torch.bernoulli(t([.5,.2]),out=torch.empty(0)).shape
torch.bernoulli(t([.5,.2]),out=torch.empty(2,dtype=torch.int64)).dtype
torch.bernoulli(input=t([.5,.2]),p=.3).shape
torch.get_rng_state().dtype
torch.seed().__class__
torch.random.get_rng_state().shape
torch.Generator().get_state().dtype
torch.Generator().set_state(torch.Generator().get_state())
torch.Generator().set_offset(3)
torch.Generator().get_offset()
"""

METHODS = r"""
torch.empty(2).bernoulli_(2)
torch.empty(2).bernoulli_(t([1,0]))
torch.empty(2).bernoulli_(t([1.,0,0]))
torch.empty(2).bernoulli_(t([1.])).shape
torch.empty(2,2).bernoulli_(t([1.,0]))
torch.empty(2).bernoulli_().shape
torch.empty(2).uniform_(1,0)
torch.empty(2).uniform_(0,float('inf'))
torch.empty(2).uniform_(-3e38,3e38)
torch.empty(2,dtype=torch.int64).uniform_()
torch.empty(2,dtype=torch.complex64).uniform_()
torch.empty(2).normal_(0,-1)
torch.empty(2,dtype=torch.int64).normal_()
torch.empty(2,dtype=torch.complex64).normal_(1+1j,1).dtype
torch.empty(2).exponential_(0)
torch.empty(2).exponential_(-1)
torch.empty(2,dtype=torch.int64).exponential_()
torch.empty(2).exponential_(float('inf'))
torch.empty(2).cauchy_(0,0)
torch.empty(2,dtype=torch.int64).cauchy_()
torch.empty(2).log_normal_(0,0)
torch.empty(2,dtype=torch.int64).log_normal_()
torch.empty(2).geometric_(0)
torch.empty(2).geometric_(1)
torch.empty(2,dtype=torch.int64).geometric_(.5).dtype
torch.empty(2).random_(5,3)
torch.empty(2).random_(0)
torch.empty(2).random_(5).shape
torch.empty(2).random_(1,None)
torch.empty(2,dtype=torch.int8).random_(0,200)
torch.empty(2,dtype=torch.int8).random_(-200,20)
torch.empty(2,dtype=torch.bool).random_(0,2)
torch.empty(2,dtype=torch.complex64).random_()
torch.empty(2,requires_grad=True).uniform_()
(torch.empty(2,requires_grad=True)*1).uniform_()
(torch.empty(2,requires_grad=True)*1).normal_()
(torch.empty(2,requires_grad=True)*1).bernoulli_()
(torch.empty(2,requires_grad=True)*1).bernoulli_(t([.5,.5]))
(torch.empty(2,requires_grad=True)*1).exponential_()
(torch.empty(2,requires_grad=True)*1).random_()
(torch.empty(2,requires_grad=True)*1).random_(3)
(torch.empty(2,requires_grad=True)*1).random_(0,3)
(torch.empty(2,requires_grad=True)*1).cauchy_()
(torch.empty(2,requires_grad=True)*1).log_normal_()
(torch.empty(2,requires_grad=True)*1).geometric_(.5)
torch.empty(3).expand(2,3).uniform_()
torch.empty(2).uniform_(**{'from':1.,'to':2.})
torch.empty(2).uniform_(a=1)
torch.empty(2).random_(**{'from':1,'to':3})
torch.empty(2).random_(to=3).shape
torch.empty(2).uniform_(to=3).shape
torch.empty(2,dtype=torch.bool).exponential_()
torch.empty(2,dtype=torch.complex64).exponential_()
torch.empty(2,dtype=torch.complex64).cauchy_()
torch.empty(2,dtype=torch.complex64).log_normal_()
torch.empty(2,dtype=torch.complex64).geometric_(.5)
torch.empty(2,dtype=torch.bool).geometric_(.5)
torch.empty(2,dtype=torch.complex64).bernoulli_(.5)
torch.empty(2,dtype=torch.complex64).normal_(2.,3.).dtype
torch.empty(2,dtype=torch.complex64).uniform_(1,2)
torch.empty(2).random_(0,2**70)
torch.empty(2,dtype=torch.float16).random_(0,70000)
torch.empty(2,dtype=torch.bool).random_(0,3)
torch.empty(2,dtype=torch.bool).random_(0,None)
torch.empty(2,dtype=torch.int8).random_(0,None)
torch.empty(2,dtype=torch.int64).random_(0,None)
torch.empty(2,dtype=torch.float16).random_(5,None)
torch.empty(2,dtype=torch.float64).random_(5,None)
torch.empty(2).random_(1.5)
torch.empty(2).random_(0,1.5)
torch.empty(2).uniform_('a')
torch.empty(2).uniform_(float('nan'),1)
torch.empty(2).normal_(float('nan'),1)
torch.empty(2).normal_(0,float('nan'))
torch.empty(2).bernoulli_(float('nan'))
torch.empty(2).bernoulli_(t([float('nan')]))
torch.empty(2).bernoulli_(t([.5]).double()).dtype
torch.empty(2).uniform_(generator=3)
torch.empty(0).uniform_()
torch.empty(2).exponential_(lambd=2).shape
torch.empty(2).uniform_(1e38,2e38)
torch.empty(2).uniform_(-2e38,2e38)
torch.empty(2,dtype=torch.float16).uniform_(0,1e5)
"""


@pytest.mark.parametrize("expression", FUNCTIONS.split("\n")[1:-1])
def test_functions(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_methods(monkeypatch)
    compare(expression)


@pytest.mark.parametrize("expression", METHODS.split("\n")[1:-1])
def test_methods_that_fill(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_methods(monkeypatch)
    compare(expression)
