"""Ways of choosing an option for every unit: pure functions from a task's arrays to a choice.

A choice is [U] option indices, its stored bits at most the task's limit.
"""
