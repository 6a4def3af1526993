"""What the parts cost, measured beside others; a package, since an installed library has one of this name too."""
