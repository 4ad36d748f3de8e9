"""How does a quantized graph become C? The only place that renders templates into firmware."""
