"""What do all frontends share? They grow a graph with one builder and refuse in one sentence."""
