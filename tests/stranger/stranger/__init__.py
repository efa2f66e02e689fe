"""Components for fprnet by somebody else; nothing in fprnet knows this package."""
