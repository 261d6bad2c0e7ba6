"""The avatar generator: named parameters and a seed make a person, ready to be drawn or written as GLB."""
