"""Benchmarks of the parts, measured beside others; a package, since an installed library has this name too."""
