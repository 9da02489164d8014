"""How constraints reach a backend that only knows a binary quadratic model."""
