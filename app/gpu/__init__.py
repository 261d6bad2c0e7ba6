"""The only place that speaks Vulkan. Knows no faces."""
