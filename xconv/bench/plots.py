def drawn(run):
    return {}
