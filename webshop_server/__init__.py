"""A self-hosted WebShop: catalogue, goals, search, reward and shop, with a web site on top.

Everything but the web site works in process and needs no web framework.
"""
