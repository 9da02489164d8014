"""The broad comparison: many kinds of problems, with and without constraints, none of which `pt` was tuned on."""
