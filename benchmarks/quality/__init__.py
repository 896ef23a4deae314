"""How well policies scale: the same loads through each of them, on a simulated fleet."""
