"""How large a pruning-quantization problem fits today's annealers, and what would come back."""
