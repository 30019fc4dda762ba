from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hear_cacophony.model.text_dense import FEW_ROWS, TextDense


@pytest.mark.parametrize("shape", [(24,), (1, 24), (FEW_ROWS, 24), (FEW_ROWS + 1, 24), (5, 7, 24), (3, 40, 24)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-5), (jnp.bfloat16, 0.05)])
def test_rows_are_multiplied_by_the_weights(shape, dtype, tolerance):
    random = np.random.default_rng(0)
    x, weight, bias = (random.standard_normal(each) for each in (shape, (10, 24), (10,)))
    variables = {"params": {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}}
    result = TextDense(10, dtype).apply(variables, x.astype(np.float32))
    assert result.dtype == dtype
    np.testing.assert_allclose(np.asarray(result, np.float64), x @ weight.T + bias, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("rows", "weights_come_first"), [(1, True), (FEW_ROWS, True), (FEW_ROWS + 1, False)])
def test_the_weights_come_first_where_there_are_few_rows(rows, weights_come_first):
    dense, x = TextDense(10), jnp.ones((rows, 24))
    variables = dense.init(jax.random.key(0), x)
    compiled = jax.make_jaxpr(dense.apply)(variables, x)
    (product,) = [equation for equation in compiled.eqns if equation.primitive.name == "dot_general"]
    assert product.outvars[0].aval.shape == ((10, rows) if weights_come_first else (rows, 10))


def test_initial_weights_keep_the_variance_of_their_inputs():
    weight = TextDense(400).init(jax.random.key(0), jnp.ones((1, 100)))["params"]["weight"]
    assert weight.shape == (400, 100)
    assert float(weight.std()) == pytest.approx(0.1, rel=0.03)
