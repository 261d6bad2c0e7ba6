"""The same 1x1 networks by OpenVINO on the CPU, in single precision; all results go into memory allocated once."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.arrays import F32
from app.bench.cpu_networks import CHUNK, CpuNetworks

if TYPE_CHECKING:
    from openvino import Model

GROUPS = {"groups_32": 32, "groups_8": 8}  # networks at a time, by a batched product whose weights are inputs
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}  # it may take bfloat16 otherwise


class OpenvinoNetworks(CpuNetworks):
    """With one network at once or CHUNK pixels of it at a time; many together, as constants, or in GROUPS."""

    many = ("together", *GROUPS)
    single = ("batch", "chunks")

    def __init__(self, layers: Sequence[int], networks: int, pixels: int) -> None:
        super().__init__(layers, networks, pixels)
        self._outputs = np.empty((networks, self.rows, layers[-1]), np.float32)
        stacked = self._kept = self.stacked()  # requests read weights that are inputs, but do not keep them
        first = [(weight[0], bias[0]) for weight, bias in stacked]
        inputs, outputs = (values.reshape(networks * self.rows, -1) for values in (self.features, self._outputs))
        self._ways: dict[str, list[Callable[[], object]]] = {
            "together": _requests(stacked, self.features, self._outputs, networks),
            "batch": _requests(first, inputs, outputs, len(inputs)),
            "chunks": _requests(first, inputs, outputs, CHUNK),
        }
        for way, count in GROUPS.items():
            self._ways[way] = _requests(stacked, self.features, self._outputs, count, weights_as_inputs=True)

    def run(self, way: str) -> F32:
        """See `CpuNetworks.run`."""
        for infer in self._ways[way]:
            infer()
        return self._outputs


def _requests(
    layers: Sequence[tuple[F32, F32]], inputs: F32, outputs: F32, step: int, *, weights_as_inputs: bool = False
) -> list[Callable[[], object]]:
    """Calls that compute `outputs`, so many rows (or networks) at a time; what is left over is a model of its own."""
    import openvino

    core = openvino.Core()
    requests: list[Callable[[], object]] = []
    compiled = {}
    for first in range(0, len(inputs), step):
        rows = slice(first, first + step)
        values = inputs[rows]
        if len(values) not in compiled:
            model = _model(layers, values.shape, weights_as_inputs)
            compiled[len(values)] = core.compile_model(model, "CPU", _EXACT)
        request = compiled[len(values)].create_infer_request()
        given = [values, *(part[rows] for layer in layers for part in layer)] if weights_as_inputs else [values]
        for index, array in enumerate(given):
            request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
        request.set_output_tensor(openvino.Tensor(outputs[rows], shared_memory=True))
        requests.append(request.infer)
    return requests


def _model(layers: Sequence[tuple[F32, F32]], shape: Sequence[int], weights_as_inputs: bool) -> "Model":
    """The networks; with `weights_as_inputs` as many as the shape says, weight and bias of each layer in turn."""
    import openvino
    from openvino import opset13 as nodes

    parameters = [nodes.parameter(shape, np.float32)]

    def given(array: F32) -> object:
        if not weights_as_inputs:
            return nodes.constant(array)
        parameters.append(nodes.parameter([shape[0], *array.shape[1:]], np.float32))
        return parameters[-1]

    values: object = parameters[0]
    for index, (weight, bias) in enumerate(layers):
        values = nodes.add(nodes.matmul(values, given(weight), False, False), given(bias))
        values = values if index == len(layers) - 1 else nodes.relu(values)
    return openvino.Model([values], parameters)
