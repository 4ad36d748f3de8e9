"""firmnet: trained small networks become verified microcontroller firmware."""
