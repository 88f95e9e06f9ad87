"""Run a grid of trainings, score every encoder, and say what the differences are worth.

    from una_fast.experiment import load_plan, run_experiment

    summary = run_experiment(load_plan("plan.toml"), "results")

A plan names arms (what is compared), conditions (under what), seeds and a baseline; see docs/experiments.md.
This package needs torch and transformers: the extra `train`.
"""

from una_fast.experiment.plan import Plan, Run, load_plan, shipped_plans
from una_fast.experiment.run import run_experiment
from una_fast.experiment.summary import Summary

__all__ = ["Plan", "Run", "Summary", "load_plan", "run_experiment", "shipped_plans"]
