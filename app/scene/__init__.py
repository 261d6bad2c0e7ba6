"""What is drawn: meshes, materials, lights, camera. Knows no GPU."""
