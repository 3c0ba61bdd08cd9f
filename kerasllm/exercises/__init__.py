"""Exercises: write an equation yourself, and hear whether it is right and which mistake you made.

    from kerasllm import exercises

    exercises.table()                     # what there is
    exercises.show("lstm_step")           # equation, shapes, signature
    exercises.hint("lstm_step")
    exercises.check("lstm_step", mine)    # exact, close or wrong; where first; which known mistake
    exercises.solution("lstm_step")       # the library's own source
    exercises.progress()                  # what you have solved and tried; kept from day to day
    exercises.answer("lstm_step")         # your last right answer
    exercises.show("lstm_step", language="zh")    # in Chinese, as check, hint and table can too

KERASLLM_LANGUAGE=zh in the environment asks for Chinese everywhere.
Importing this needs NumPy only.
"""

from kerasllm.exercises.catalogue import hint, names, show, solution, table
from kerasllm.exercises.checking import check
from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.keeping import answer, progress
from kerasllm.exercises.result import Result, Verdict

__all__ = [
    "Exercise", "Result", "Verdict", "answer", "check", "hint", "names", "progress", "show",
    "solution", "table",
]  # fmt: skip
