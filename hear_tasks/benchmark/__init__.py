"""How fast the package is on this machine: `python -m hear_tasks.benchmark`.

Each module measures one thing and tells it: `measure_...` gives figures for JSON, `describe_...` the lines of a table
from them. Speeds are compared within one run: what is compared is measured in turn, and medians are divided.
"""
