"""One file a pass, named as its shader."""
