"""Relaxation of constraints for backends that take only a binary quadratic model, and repair of their samples."""
