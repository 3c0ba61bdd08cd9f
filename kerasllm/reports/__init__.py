"""Looking at results: the page of a run, and the table of many.

from kerasllm import report
report("runs/topics")                     # runs/topics/report.html
report("runs/主题", language="zh")

kerasllm results runs                     # docs/results.md
"""
