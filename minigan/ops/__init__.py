"""The differentiable primitives, a file a family. Importing this package gives Tensor its operators and methods.

Each file may import those before it in this list: shape, elementwise, reduce, index, linalg, conv, pool, batch_norm.
"""

from minigan.ops import batch_norm, conv, elementwise, index, linalg, pool, reduce, shape
