def propose(fault):
    return iter(())
