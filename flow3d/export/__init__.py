"""A renderer as ONNX graphs, with onnxruntime as its engine; they need the extra ``flow3d[export]``."""
