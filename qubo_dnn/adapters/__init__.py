"""Backends as parts of other libraries; each module needs the library that it is for."""
