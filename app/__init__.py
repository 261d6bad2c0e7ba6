"""bungyo: a real-time neural face renderer whose skin is drawn by one tiny network per kind of tile."""
