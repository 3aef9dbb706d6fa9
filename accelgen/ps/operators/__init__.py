"""What the processor's library computes: every operator once, with all that is asked of it.

``steps`` asks for kernel calls (a simulation's PS step), ``frame_file`` for the record that the
package's library reads, ``model`` for the price. A new operator is an entry here, its kernel in
``neon/`` and the kernel's call in ``kernels``.
"""

from __future__ import annotations

from accelgen.errors import ToolError
from accelgen.ir import Graph, Node
from accelgen.ir.offload import is_dense
from accelgen.ir.ops import (
    QAdd,
    QBilinear,
    QConv2d,
    QGlobalAvgPool,
    QInnerAvgPool,
    QMul,
    QScale,
    QTable,
    Softmax,
)
from accelgen.ir.ps_ops import (
    QChannelMax,
    QDeform,
    QJoinBytes,
    QLocalNorm,
    QNormalize,
    QResponse,
    QSoftmax,
    QUnpool,
)
from accelgen.ps.operators.deform import DEFORM
from accelgen.ps.operators.maps import ADD, BILINEAR, INNER_AVERAGE, MULTIPLY, SCALE, TABLE
from accelgen.ps.operators.norms import CHANNEL_MAX, LOCAL_NORM, NORMALIZE, RESPONSE, SOFTEN
from accelgen.ps.operators.operator import PsOperator, StepKernel
from accelgen.ps.operators.unpool import UNPOOL
from accelgen.ps.operators.vectors import AVERAGE, DENSE, JOIN_BYTES, SOFTMAX

__all__ = ["OPERATORS", "PsOperator", "StepKernel", "operator_of"]

OPERATORS: dict[type, PsOperator] = {
    QConv2d: DENSE,
    QGlobalAvgPool: AVERAGE,
    QTable: TABLE,
    QAdd: ADD,
    QScale: SCALE,
    Softmax: SOFTMAX,
    QBilinear: BILINEAR,
    QMul: MULTIPLY,
    QInnerAvgPool: INNER_AVERAGE,
    QNormalize: NORMALIZE,
    QResponse: RESPONSE,
    QLocalNorm: LOCAL_NORM,
    QSoftmax: SOFTEN,
    QChannelMax: CHANNEL_MAX,
    QUnpool: UNPOOL,
    QDeform: DEFORM,
    QJoinBytes: JOIN_BYTES,
}


def operator_of(node: Node, graph: Graph) -> PsOperator:
    """What is known of ``node``'s operator.

    Raises ToolError when there is no kernel for it: a convolution must be fully connected.
    """
    found = OPERATORS.get(type(node.op))
    if found is None or (isinstance(node.op, QConv2d) and not is_dense(node, graph)):
        raise ToolError(
            f"node '{node.name}' ({type(node.op).__name__}): the processor's library has no kernel "
            "for it; leave it on the PL"
        )
    return found
