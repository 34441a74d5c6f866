"""Floor 1: the tape. Nodes, operators as records, the call that records and the walk that
differentiates.
"""
