"""The reduced MakeHuman body (CC0) and the script that makes it."""
