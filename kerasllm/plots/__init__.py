"""Matplotlib figures from plain arrays, and diagrams with live numbers.

Each function takes arrays and returns a `matplotlib.figure.Figure`, without a display and without
the global state of `pyplot`: `figure.savefig("curves.png")`. A notebook shows it as it is.
`diagram` draws what a trace of `kerasllm.reference` holds as SVG: `diagram("lstm", trace)`.
"""

from kerasllm.plots.curves import learning_curves
from kerasllm.plots.diagrams import Diagram, diagram
from kerasllm.plots.fonts import chinese_font
from kerasllm.plots.gradients import gradient_flow
from kerasllm.plots.heatmaps import attention_map, confusion_matrix, gate_heatmap
from kerasllm.plots.lengths import length_histogram
from kerasllm.plots.line_charts import lines
from kerasllm.plots.payoffs import payoff
from kerasllm.plots.reliability import reliability_diagram
from kerasllm.plots.token_rows import token_rows

__all__ = [
    "Diagram", "attention_map", "chinese_font", "confusion_matrix", "diagram", "gate_heatmap",
    "gradient_flow", "learning_curves", "length_histogram", "lines", "payoff",
    "reliability_diagram", "token_rows",
]  # fmt: skip
