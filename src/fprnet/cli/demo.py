"""placeholder"""
def add_parser(subcommands): pass
